"""Interfaces of this host, and bridges that they are ports of."""

from __future__ import annotations

import contextlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stackyard.effects.process import run

LINKS = Path("/sys/class/net")
SETTINGS = Path("/proc/sys/net")
PROGRAM, FILTER = "ip", "iptables"
"""Of iproute2: puts an interface into a bridge; and what the engine itself publishes ports with, if it does so."""
_ENGINES = re.compile(r"veth[0-9a-f]{7}")
"""Names that the engine gives to its side of a container's interface."""
_LOOPBACK = "772"
_NONE = 1
"""What iptables exits with when there is no such rule; with others, it could not look."""
SHUT = {"ipv4/conf/{}/arp_ignore": "8", "ipv4/conf/{}/forwarding": "0", "ipv6/conf/{}/disable_ipv6": "1"}
"""What keeps a host from having a part in a network at its bridge: it answers for no address, and routes nothing.

The Linux kernel's networking/ip-sysctl.
"""

Kind = Literal["bridge", "loopback", "wireless", ""]


@dataclass(frozen=True)
class Link:
    """An interface. ``mtu`` is in bytes; ``master`` is the bridge or bond that it is a part of, or empty.

    ``carrier`` says that something is at its other end, as far as it can tell.
    """

    name: str
    mtu: int
    master: str = ""
    kind: Kind = ""
    carrier: bool = True


def links() -> dict[str, Link]:
    """All of them by name, less the engine's own."""
    names = sorted(path.name for path in LINKS.iterdir() if not _ENGINES.fullmatch(path.name))
    return {name: link for name in names if (link := _link(LINKS / name))}


def _link(path: Path) -> Link | None:
    with contextlib.suppress(OSError):  # one that has just gone, or a file among them
        mtu, type_ = int((path / "mtu").read_text()), (path / "type").read_text().strip()
        master = (path / "master").resolve().name if (path / "master").exists() else ""
        carrier = (path / "operstate").read_text().strip() in {"up", "unknown"}
        return Link(path.name, mtu, master, _kind(path, type_), carrier)
    return None


def _kind(path: Path, type_: str) -> Kind:
    if type_ == _LOOPBACK:
        return "loopback"
    if (path / "phy80211").exists() or (path / "wireless").exists():
        return "wireless"
    return "bridge" if (path / "bridge").exists() else ""


def ports(bridge: str) -> tuple[str, ...]:
    """Interfaces of the host that are ports of a bridge, beside those of containers; none when there is no bridge."""
    with contextlib.suppress(OSError):
        return tuple(
            sorted(each.name for each in (LINKS / bridge / "brif").iterdir() if not _ENGINES.fullmatch(each.name))
        )
    return ()


def is_shut(bridge: str) -> bool:
    """Whether the host has no part in a network at its bridge."""
    with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6, or no such bridge
        for name, value in SHUT.items():
            if (SETTINGS / name.format(bridge)).read_text().strip() != value:
                return False
    return not shutil.which(FILTER) or run(_untouched("--check", bridge), check=False).code != _NONE


def can_connect() -> bool:
    """Whether the program is there that puts an interface into a bridge."""
    return shutil.which(PROGRAM) is not None


def connect(interface: str, bridge: str) -> None:
    """Make an interface a port of a bridge, at which the host has no part then. Raises CommandError."""
    for name, value in SHUT.items():
        with contextlib.suppress(FileNotFoundError):
            (SETTINGS / name.format(bridge)).write_text(value)
    if shutil.which(FILTER) and run(_untouched("--check", bridge), check=False).code == _NONE:
        run(_untouched("--insert", bridge))
    run([PROGRAM, "link", "set", "dev", interface, "master", bridge])
    run([PROGRAM, "link", "set", "dev", interface, "up"])


def release(bridge: str) -> None:
    """Take all interfaces of the host out of a bridge. Raises CommandError."""
    for interface in ports(bridge):
        run([PROGRAM, "link", "set", "dev", interface, "nomaster"])
    if shutil.which(FILTER):
        run(_untouched("--delete", bridge), check=False)


def _untouched(verb: str, bridge: str) -> list[str]:
    """Change of the rule that leaves alone what passes a bridge.

    Where frames are shown to iptables, as Kubernetes wants it, packets from a VM to a port that a container publishes
    on this host would become packets to that container there, and be dropped.
    """
    return [
        FILTER,
        "--wait",
        "--table",
        "raw",
        verb,
        "PREROUTING",
        "--in-interface",
        bridge,
        "--jump",
        "CT",
        "--notrack",
    ]
