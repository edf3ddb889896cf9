"""The types of the contract: how the text of a variable becomes a value, and what is wrong with it when it does not.

A parser takes the text, which is not empty, and returns the value or raises ValueError with a phrase that goes on
after the name of the variable: ``'99999' is not a port: a number from 1 to 65535``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

TRUE = frozenset(("true", "1", "yes", "on"))
FALSE = frozenset(("false", "0", "no", "off"))
LAST_PORT = 65535
LONGEST_NAME = 253

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NUMERIC = re.compile(r"[0-9.]+")
_INT = re.compile(r"[+-]?[0-9]+")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/][^\s]*|[A-Za-z][A-Za-z0-9+.-]*:///[^\s]*")
_CREDENTIALS = re.compile(r"(://[^:/@\s]*:)[^@/\s]+@")
_OCTET = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(\.{_OCTET}){{3}}")


def mask_credentials(text: str) -> str:
    """A URL, or any text with URLs in it, without the passwords."""
    return _CREDENTIALS.sub(r"\1********@", text)


def _is_address(text: str) -> bool:
    if _IPV4.fullmatch(text):
        return True
    if ":" not in text:
        return False
    from ipaddress import IPv6Address  # noqa: PLC0415 - start-up time

    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def _one_line(text: str) -> str:
    if any(character < " " and character != "\t" for character in text):
        raise ValueError("has a line break or another control character in it: it must be one line of text")
    return text


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text!r} is not a name: letters, digits, '.', '_' and '-'")
    return text


def _host(text: str) -> str:
    if _is_address(text):
        return text
    if "://" in text:
        raise ValueError(f"{mask_credentials(text)!r} is a URL: give the host alone, an IP address or a DNS name")
    if text.startswith("[") and text.endswith("]") and _is_address(text[1:-1]):
        raise ValueError(f"{text!r} has brackets: give the IPv6 address alone, {text[1:-1]}")
    host, colon, port = text.rpartition(":")
    if colon and port.isdigit() and host:
        within = _IPV4.search(host)  # Ceph writes [v2:192.0.2.20:3300,v1:192.0.2.20:6789]
        raise ValueError(f"{text!r} has a port in it: give the host alone, {within[0] if within else host}")
    if _NUMERIC.fullmatch(text):
        raise ValueError(f"{text!r} is not an IP address")
    labels = text.rstrip(".").split(".")
    if len(text) > LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise ValueError(f"{text!r} is neither an IP address nor a DNS name")
    return text


def _hosts(text: str) -> list[str]:
    return [_host(each) for each in _list(text)]


def _address(text: str) -> str:
    if not _is_address(text):
        raise ValueError(f"{text!r} is not an IP address, such as 192.0.2.10 or 2001:db8::10")
    return text


def _addresses(text: str) -> list[str]:
    return [_address(each) for each in _list(text)]


def _cidr(text: str) -> str:
    from ipaddress import ip_interface  # noqa: PLC0415 - start-up time

    try:
        interface = ip_interface(text)
    except ValueError:
        interface = None
    if interface is None or "/" not in text:
        raise ValueError(f"{text!r} is not a network, such as 192.0.2.0/24 or 2001:db8::/64")
    if interface.ip != interface.network.network_address:
        raise ValueError(f"{text!r} is an address within a network: did you mean {interface.network}?")
    return text


def _int(text: str) -> int:
    if not _INT.fullmatch(text):
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= LAST_PORT):
        raise ValueError(f"{text!r} is not a port: a number from 1 to {LAST_PORT}")
    return int(text)


def _bool(text: str) -> bool:
    word = text.lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise ValueError(f"{text!r} is neither true nor false: true, yes, on or 1; false, no, off or 0")


def _url(text: str) -> str:
    if not _URL.fullmatch(text):
        raise ValueError(f"{mask_credentials(text)!r} is not a URL, such as http://192.0.2.10:8080/path")
    return text


def _path(text: str) -> str:
    if not _one_line(text).startswith("/"):
        raise ValueError(f"{text!r} is not a path: it must start with /")
    return text


def _list(text: str) -> list[str]:
    items = [item for item in (part.strip() for part in _one_line(text).split(",")) if item]
    if not items:
        raise ValueError(f"{text!r} is a list without items")
    return items


def _secret(text: str) -> str:
    if any(character in text for character in "\r\n\0"):
        raise ValueError("has a line break in it: a secret is one line")
    return text


def _text(text: str) -> str:
    if "\0" in text:
        raise ValueError("has a NUL character in it: it must be text")
    return text


def _json(text: str) -> Any:
    import json  # noqa: PLC0415 - start-up time

    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"is not JSON: {error}") from error


PARSERS: dict[str, Callable[[str], Any]] = {
    "str": _one_line,
    "name": _name,
    "host": _host,
    "hosts": _hosts,
    "address": _address,
    "addresses": _addresses,
    "cidr": _cidr,
    "port": _port,
    "int": _int,
    "bool": _bool,
    "url": _url,
    "list": _list,
    "path": _path,
    "secret": _secret,
    "text": _text,
    "json": _json,
}


def _enum(text: str, allowed: Sequence[str]) -> str:
    if text in allowed:
        return text
    from .suggest import closest  # noqa: PLC0415 - start-up time

    near = closest(text, allowed)
    listed = f"one of {', '.join(allowed)}"
    raise ValueError(f"{text!r} is not allowed: {listed}" + (f"; did you mean {near}?" if near else ""))


def parse(kind: str, text: str, allowed: Sequence[str] = ()) -> Any:
    """The value of a text of that type; ValueError with a phrase for people."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("has bytes in it that are not UTF-8") from None
    if kind == "enum":
        return _enum(text, allowed)
    return PARSERS[kind](text)
