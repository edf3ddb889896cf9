"""Secrets of a site: a type that redacts itself, and the one file that keeps them."""

from __future__ import annotations

import base64
import contextlib
import json
import secrets as randomness
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Literal

from stackyard.effects.files import write_atomically
from stackyard.errors import InputError

Kind = Literal["password", "key", "cephx", "certificate"]

REDACTED = "********"
VERSION = 1
KEY_BYTES = 32
CEPHX = struct.Struct("<HIIH16s")
"""Kind (1: AES), seconds and nanoseconds since 1970, length, and a key of Ceph (src/auth/Crypto.cc)."""
AUTHORITY = "site/authority"
"""The site's own authority, which signs its certificates: private key and certificate. No container has it."""


class Secret:
    """A string that shows itself only when asked with ``reveal``.

    It is no ``str`` on purpose: what would join, dump or format it either redacts it or fails.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and randomness.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return f"Secret({REDACTED!r})"

    def __str__(self) -> str:
        return REDACTED

    def __format__(self, spec: str) -> str:
        return format(REDACTED, spec)


@dataclass(frozen=True)
class Holder:
    """A node that a certificate is for."""

    site: str
    node: str
    address: IPv4Address | IPv6Address


def generate(kind: Kind) -> str:
    """A new secret: ``password`` is 32 URL-safe characters, ``key`` URL-safe base64 of 32 bytes, ``cephx`` base64."""
    if kind == "cephx":
        return base64.b64encode(CEPHX.pack(1, 0, 0, CEPHX.size - 12, randomness.token_bytes(16))).decode()
    if kind == "key":
        return base64.urlsafe_b64encode(randomness.token_bytes(KEY_BYTES)).decode()
    return randomness.token_urlsafe(24)


def unfit(kind: Kind, value: str) -> str:
    """Why a value that somebody chose cannot be a secret of that kind; nothing when it can."""
    if kind == "certificate":
        return "is made for each node, by the site's own authority"
    if not value:
        return "is empty"
    return "" if kind not in _FORMS or _FORMS[kind][0](value) else f"is not a key: {_FORMS[kind][1]}"


def _is_key(value: str) -> bool:
    with contextlib.suppress(ValueError):
        return len(base64.urlsafe_b64decode(value)) == KEY_BYTES
    return False


def _is_cephx(value: str) -> bool:
    with contextlib.suppress(ValueError, struct.error):
        kind, _, _, length, _ = CEPHX.unpack(base64.b64decode(value, validate=True))
        return bool(kind == 1 and length == CEPHX.size - 12)
    return False


_FORMS: dict[Kind, tuple[Callable[[str], bool], str]] = {
    "key": (_is_key, f"URL-safe base64 of {KEY_BYTES} bytes"),
    "cephx": (_is_cephx, "base64 of 28 bytes, for cephx"),
}
"""Kind of secret with a form of its own -> whether a value has it, and what it looks like."""


class Secrets:
    """The secrets of a site by name, ``<service>/<purpose>``; one that is asked for and not there is made."""

    def __init__(self, known: Mapping[str, str] | None = None, make: Callable[[Kind], str] = generate) -> None:
        self._values = dict(known or {})
        self._make = make
        self.made: list[str] = []

    def get(self, name: str, kind: Kind = "password") -> Secret:
        """The secret of that name."""
        if name not in self._values:
            self._keep(name, self._make(kind))
        return Secret(self._values[name])

    def certificate(self, name: str, holder: Holder) -> Secret:
        """The certificate of that name that a node has: its key, itself, and that of the site's authority, as PEM.

        It is kept for as long as the node's name and address are the same, and it has time left.
        """
        from stackyard import certificates  # noqa: PLC0415 - a tenth of a second, which not every command needs

        known, made_by = f"{name}@{holder.node}", self._values.get(AUTHORITY, "")
        if certificates.is_old(made_by):
            self._keep(AUTHORITY, made_by := certificates.authority(holder.site))
        names, unit = (holder.node, holder.address), name.partition("/")[2]
        if not certificates.fits(self._values.get(known, ""), made_by, unit, names):
            self._keep(known, certificates.issue(made_by, unit, names))
        return Secret(self._values[known])

    def _keep(self, name: str, value: str) -> None:
        self._values[name] = value
        self.made.append(name)

    def put(self, name: str, value: str) -> None:
        """Keep a value that somebody chose, in place of the one that there may be."""
        self._values[name] = value

    def known(self, name: str) -> Secret | None:
        """The secret of that name, if there is one."""
        return Secret(self._values[name]) if name in self._values else None

    def reveal(self) -> tuple[str, ...]:
        """All of them, for what takes secrets out of a text."""
        return tuple(self._values.values())

    def dump(self) -> bytes:
        """The file's content."""
        document = {"version": VERSION, "secrets": dict(sorted(self._values.items()))}
        return (json.dumps(document, indent=2) + "\n").encode()


def load(path: Path) -> Secrets:
    """Read the store; an empty one when there is no file. Raises InputError when it is damaged."""
    try:
        document = json.loads(path.read_bytes())
        version, values = document["version"], document["secrets"]
    except FileNotFoundError:
        return Secrets()
    except PermissionError as error:
        raise InputError(
            f"{path}: the site's secrets are not for this user to read", "run it as root (sudo)"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: not a store of secrets",
            "restore it from a backup; without one, `stackyard down --volumes` removes it with the site and its data",
        ) from error
    if version != VERSION:
        raise InputError(
            f"{path}: version {version} is not known",
            f"this stackyard reads version {VERSION}: use the one that wrote it",
        )
    return Secrets(values)


def save(path: Path, secrets: Secrets) -> None:
    """Write the store, mode 0600, complete or not at all."""
    write_atomically(path, secrets.dump(), mode=0o600)
