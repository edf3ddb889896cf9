"""The routes of this host, from the kernel: rtnetlink(7). No program is needed for it."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import NamedTuple

_REQUEST = struct.Struct("=IHHII 8BI")
"""A header, and a struct rtmsg without any choice."""
_HEADER = struct.Struct("=IHHII")
_ROUTE = struct.Struct("=8BI")
_ATTRIBUTE = struct.Struct("=HH")
_GET_ROUTES, _NEW_ROUTE, _DUMP = 26, 24, 0x301
_DESTINATION, _INTERFACE = 1, 4
_DONE = 3


class Route(NamedTuple):
    """A network and the interface that leads to it; a local address is a network of one. Defaults are left out."""

    network: IPv4Network
    interface: str


def routes() -> tuple[Route, ...]:
    """All of IPv4, of all tables. Raises OSError."""
    request = _REQUEST.pack(_REQUEST.size, _GET_ROUTES, _DUMP, 1, 0, socket.AF_INET, *[0] * 7, 0)
    found: list[Route] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sock:
        sock.send(request)
        while True:
            for kind, body in _messages(sock.recv(1 << 16)):
                if kind != _NEW_ROUTE:  # the end, or an error
                    return tuple(found)
                found += _route(body)


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data:
        length, kind, *_ = _HEADER.unpack_from(data)
        yield kind, data[_HEADER.size : length]
        data = data[length + -length % 4 :]


def _route(body: bytes) -> Iterator[Route]:
    _family, prefix, *_ = _ROUTE.unpack_from(body)
    attributes = dict(_attributes(body[_ROUTE.size :]))
    if prefix and _DESTINATION in attributes and _INTERFACE in attributes:
        (index,) = struct.unpack("=I", attributes[_INTERFACE])
        with contextlib.suppress(OSError):  # an interface that has just gone
            yield Route(IPv4Network((attributes[_DESTINATION], prefix)), socket.if_indextoname(index))


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data:
        length, kind = _ATTRIBUTE.unpack_from(data)
        yield kind, data[_ATTRIBUTE.size : length]
        data = data[length + -length % 4 :]
