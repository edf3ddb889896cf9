"""The site's own authority, and the certificates by which its nodes know each other.

Keys are of NIST's curve P-256, which every TLS library takes. Texts are PEM. A bundle has, in this order: the private
key, its certificate, the certificate of the authority.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_YEARS, NODE_YEARS = 20, 5
LEFT = 1 / 3
"""What has less than this part of its time left is made anew."""
SKEW = timedelta(days=1)
"""Clocks of machines differ."""

Names = Sequence[str | IPv4Address | IPv6Address]
_Subject = dict[x509.ObjectIdentifier, str]


def now() -> datetime:
    """The time by which certificates are made and held to be old."""
    return datetime.now(UTC)


def authority(organisation: str) -> str:
    """A new authority: its private key and its certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = {NameOID.ORGANIZATION_NAME: organisation, NameOID.COMMON_NAME: f"{organisation} authority"}
    builder = _builder(subject, subject, key, AUTHORITY_YEARS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(authority=True), critical=True)
    return _key_text(key) + _text(builder.sign(key, hashes.SHA256()))


def issue(made_by: str, unit: str, names: Names) -> str:
    """The bundle of a new certificate for a server and client of these names; ``unit`` is what it is for.

    The first name is its common name. Raises ValueError when the authority is none.
    """
    key, (signer_key, signer) = ec.generate_private_key(ec.SECP256R1()), _authority(made_by)
    organisation = str(signer.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value)
    subject = {
        NameOID.ORGANIZATION_NAME: organisation,
        NameOID.ORGANIZATIONAL_UNIT_NAME: unit,
        NameOID.COMMON_NAME: str(names[0]),
    }
    builder = _builder(subject, _attributes(signer), key, NODE_YEARS)
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    for extension, critical in (
        (x509.SubjectAlternativeName(_general(names)), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(authority=False), True),
        (x509.ExtendedKeyUsage(usages), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer_key.public_key()), False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    return _key_text(key) + _text(builder.sign(signer_key, hashes.SHA256())) + _text(signer)


def is_old(text: str) -> bool:
    """Whether the first certificate of a text has little time left; also when there is none."""
    try:
        certificate = x509.load_pem_x509_certificates(text.encode())[0]
    except ValueError:
        return True
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return end - now() < LEFT * (end - begin)


def fits(bundle: str, made_by: str, unit: str, names: Names) -> bool:
    """Whether a bundle is one that the authority would make for these names, and not old."""
    if is_old(bundle):
        return False
    certificate, *above = x509.load_pem_x509_certificates(bundle.encode())
    _, signer = _authority(made_by)
    units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    told = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return (above, [each.value for each in units], list(told)) == ([signer], [unit], _general(names))


def _authority(text: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = serialization.load_pem_private_key(text.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the key of the authority is not of an elliptic curve")  # noqa: TRY004 - of a file
    return key, x509.load_pem_x509_certificate(text.encode())


def _builder(
    subject: _Subject, issuer: _Subject, key: ec.EllipticCurvePrivateKey, years: int
) -> x509.CertificateBuilder:
    """What all certificates have."""
    public, begin = key.public_key(), now() - SKEW
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + years * timedelta(days=365))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _name(attributes: _Subject) -> x509.Name:
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in attributes.items()])


def _attributes(certificate: x509.Certificate) -> _Subject:
    return {each.oid: str(each.value) for each in certificate.subject}


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _general(names: Names) -> list[x509.GeneralName]:
    return [x509.DNSName(each) if isinstance(each, str) else x509.IPAddress(each) for each in names]


def _key_text(key: ec.EllipticCurvePrivateKey) -> str:
    form, encoding = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


def _text(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
