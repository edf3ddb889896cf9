"""The site's own authority, and what it makes."""

from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509

from stackyard import certificates
from stackyard.secrets import AUTHORITY, Holder, Secrets, unfit

NAMES = ("compute1", ip_address("192.0.2.11"))
HOLDER = Holder("demo", *NAMES)


def later(monkeypatch: pytest.MonkeyPatch, years: float) -> None:
    moment: datetime = certificates.now() + years * timedelta(days=365)
    monkeypatch.setattr(certificates, "now", lambda: moment)


def test_a_bundle_is_a_key_its_certificate_and_the_authority_that_made_it() -> None:
    authority = certificates.authority("demo")
    bundle = certificates.issue(authority, "compute", NAMES)
    assert [part.partition("-----")[0] for part in bundle.split("-----BEGIN ")] == [
        *("", "PRIVATE KEY", "CERTIFICATE", "CERTIFICATE")
    ]
    certificate, above = x509.load_pem_x509_certificates(bundle.encode())
    certificate.verify_directly_issued_by(above)
    assert certificate.subject.rfc4514_string() == "CN=compute1,OU=compute,O=demo"
    assert "PRIVATE" not in bundle.split("-----BEGIN ")[3]


@pytest.mark.parametrize(
    ("changed", "fits"),
    [
        ({}, True),
        ({"unit": "api"}, False),
        ({"names": ("compute1", ip_address("192.0.2.12"))}, False),
        ({"names": ("compute2", ip_address("192.0.2.11"))}, False),
        ({"made_by": certificates.authority("demo")}, False),
        ({"bundle": ""}, False),
        ({"bundle": "no certificate"}, False),
    ],
)
def test_a_bundle_fits_who_it_was_made_for(changed: dict[str, Any], fits: bool) -> None:
    made = {"made_by": certificates.authority("demo"), "unit": "compute", "names": NAMES}
    bundle = certificates.issue(**made)
    assert certificates.fits(**{"bundle": bundle, **made, **changed}) is fits


def test_a_certificate_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = Secrets()
    first = secrets.certificate("site/compute", HOLDER)
    assert secrets.made == [AUTHORITY, "site/compute@compute1"]
    later(monkeypatch, 3)
    assert secrets.certificate("site/compute", HOLDER) == first


def test_one_that_has_little_time_left_is_made_anew_by_the_same_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = Secrets()
    first = secrets.certificate("site/compute", HOLDER)
    later(monkeypatch, 4)
    second = secrets.certificate("site/compute", HOLDER)
    assert second != first
    assert second.reveal().endswith(first.reveal().rpartition("-----BEGIN ")[2])


def test_an_authority_that_has_little_time_left_is_made_anew_with_all_that_it_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secrets = Secrets()
    first = secrets.certificate("site/compute", HOLDER)
    later(monkeypatch, 14)
    second = secrets.certificate("site/compute", HOLDER)
    assert not second.reveal().endswith(first.reveal().rpartition("-----BEGIN ")[2])


def test_nodes_have_their_own_and_one_authority() -> None:
    secrets = Secrets()
    bundles = [secrets.certificate("site/compute", Holder("demo", *each)).reveal() for each in (NAMES, ("b", NAMES[1]))]
    keys = {bundle.split("-----BEGIN ")[1] for bundle in bundles}
    authorities = {bundle.split("-----BEGIN ")[3] for bundle in bundles}
    assert (len(keys), len(authorities)) == (2, 1)


def test_nobody_chooses_one() -> None:
    assert unfit("certificate", "anything") == "is made for each node, by the site's own authority"
