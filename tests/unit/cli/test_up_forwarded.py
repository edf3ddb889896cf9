"""What `up` says last of a site that is known by other URLs than those of its ports."""

import pytest

from resolved_sites import resolved
from stackyard.cli.up import _forwarded

NAME = "cloud.example.org"


@pytest.mark.parametrize(
    "publish",
    [{}, {"address": "192.0.2.9"}, {"address": "0.0.0.0"}, {"address": "192.0.2.9", "bind": "0.0.0.0"}],  # noqa: S104
)
def test_nothing_where_the_ports_are_what_is_known(publish: dict) -> None:
    assert _forwarded(resolved("demo", publish=publish)) == ""


def test_a_name_that_has_to_lead_here() -> None:
    told = _forwarded(resolved("demo", publish={"address": NAME, "bind": "192.0.2.9"}))
    assert told == f"{NAME} has to lead to this host; the ports appear on 192.0.2.9"


def test_each_url_and_the_port_that_it_is_forwarded_to() -> None:
    urls = {"identity": f"https://{NAME}/identity"}
    first, head, *rows = _forwarded(
        resolved("demo", publish={"address": NAME, "scheme": "https", "urls": urls, "offset": 7})
    ).splitlines()
    assert first == "the ports appear on 127.0.0.1; what answers at these URLs has to forward them (docs/publish.md):"
    assert head.split() == ["URL", "TO"]
    assert {tuple(row.split()) for row in rows} == {
        (f"https://{NAME}/identity", "http://127.0.0.1:5007"),
        *((f"https://{NAME}:{port}", f"http://127.0.0.1:{port}") for port in (6087, 8781, 8785, 9299, 9703)),
    }
