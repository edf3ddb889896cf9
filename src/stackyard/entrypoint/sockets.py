"""Who the processes of this container are connected to, as the kernel tells it below /proc."""

# ruff: noqa: PTH123, PTH115, PTH208
# pathlib would be one more import, and start-up time counts

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

ESTABLISHED = "01"


def connected(peer: tuple[str, int], proc: str = "/proc") -> str | None:
    """Whether a process has an established TCP connection to ``peer`` (host, port); else what was seen.

    Containers of a node share its network namespace, so a connection counts only when one of this
    container's own processes holds its socket.
    """
    try:
        found = socket.getaddrinfo(*peer, type=socket.SOCK_STREAM)
    except OSError as error:
        return f"{peer[0]}: {error.strerror}"
    wanted = {_kernel_form(str(each[4][0]), peer[1]) for each in found}
    sockets = {inode for address, inode in _established(proc) if address in wanted}
    if not sockets:
        return "no connection"
    return None if sockets & set(_own_sockets(proc)) else "only other containers are connected"


def _kernel_form(address: str, port: int) -> str:
    """An address and port as /proc/net/tcp writes them: words of four bytes in the machine's own order."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(family, address)
    words = (int.from_bytes(packed[start : start + 4], "little") for start in range(0, len(packed), 4))
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"


def _established(proc: str) -> Iterator[tuple[str, str]]:
    """Remote address and inode of every established connection in the network namespace."""
    for name in ("tcp", "tcp6"):
        try:
            with open(f"{proc}/net/{name}", encoding="ascii") as table:
                rows = [line.split() for line in table][1:]
        except OSError:
            continue
        yield from ((row[2], row[9]) for row in rows if row[3] == ESTABLISHED)


def _own_sockets(proc: str) -> Iterator[str]:
    """Inodes of the sockets that processes of this container hold, as far as they may be seen."""
    for pid in filter(str.isdigit, os.listdir(proc)):
        try:
            for descriptor in os.listdir(f"{proc}/{pid}/fd"):
                target = os.readlink(f"{proc}/{pid}/fd/{descriptor}")
                if target.startswith("socket:["):
                    yield target[8:-1]
        except OSError:
            continue
