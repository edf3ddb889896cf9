"""The host: its engine, its files, its cgroups, devices, addresses, ports and names."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import signal
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from stackyard.effects import links
from stackyard.effects.engine import Engine
from stackyard.effects.files import write_atomically
from stackyard.effects.process import run
from stackyard.effects.routes import Route, routes

CGROUPS = Path("/sys/fs/cgroup")
_MOUNTS = Path("/proc/self/mountinfo")
INIT = Path("/proc/1/status")
STATE = "/var/lib/stackyard"
SYSTEMD = Path("/run/systemd/system")
"""Where this is, systemd is process 1."""
UNITS = Path("/etc/systemd/system")
RESOLVERS = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER"),
    *("SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE"),
    *("SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP"),
    *("MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF"),
    "CHECKPOINT_RESTORE",
)
"""Of Linux, by number: capabilities(7), linux/capability.h."""


@dataclass(frozen=True)
class Host:
    """What nodes stand on: an engine, a place for files, and facts.

    ``state`` is the folder of all that the tool has to remember. Everything in ``deploy/`` that touches a machine
    asks a Host that it is given; this one is the machine that the tool runs on.
    """

    engine: Engine
    state: Path

    @classmethod
    def local(cls) -> Host:
        """This machine; its state is in STACKYARD_STATE, else in /var/lib/stackyard."""
        return cls(Engine(), Path(os.environ.get("STACKYARD_STATE") or STATE))

    def is_root(self) -> bool:
        """Whether we may do everything there."""
        return os.geteuid() == 0

    def cgroups(self) -> tuple[str, ...]:
        """Directories of the mounted v1 controllers, or one empty name when there is the one hierarchy of v2."""
        found = {"cgroup": set[str](), "cgroup2": set[str]()}
        for line in _MOUNTS.read_text().splitlines():
            before, _dash, after = line.partition(" - ")
            place, kind = Path(before.split()[4]), after.split()[0]
            if kind in found and place.is_relative_to(CGROUPS):
                found[kind].add(str(place.relative_to(CGROUPS)))
        if found["cgroup"]:
            return tuple(sorted(found["cgroup"]))
        return ("",) if "." in found["cgroup2"] else ()

    def kernel(self) -> str:
        """Release of the kernel."""
        return os.uname().release

    def capabilities(self) -> frozenset[str]:
        """What any process here may be given: all that the first process could have."""
        found = re.search(r"^CapBnd:\s*(\w+)$", INIT.read_text(), re.MULTILINE)
        mask = int(found[1], 16) if found else -1
        return frozenset(name for number, name in enumerate(CAPABILITIES) if mask >> number & 1)

    def memory(self) -> int:
        """MiB of memory and swap that programs can have without others losing theirs."""
        lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
        return sum(int(number) for name, number, *_ in lines if name in {"MemAvailable:", "SwapFree:"}) // 1024

    def capacity(self) -> tuple[int, int]:
        """Processors and MiB of memory that it has in all."""
        return os.cpu_count() or 1, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20

    def room(self, place: Path) -> int | None:
        """MiB that are free where ``place`` is; None when there is no such directory."""
        try:
            return shutil.disk_usage(place).free // 1024**2
        except PermissionError:  # of one who is not root, where only root may look
            return self.room(place.parent)
        except OSError:
            return None

    def routes(self) -> tuple[Route, ...]:
        """Networks that this host reaches, its own addresses included, whatever the routing table."""
        return routes()

    def links(self) -> dict[str, links.Link]:
        """Its interfaces by name, less those of containers."""
        return links.links()

    def ports(self, bridge: str) -> tuple[str, ...]:
        """Interfaces that are ports of a bridge, less those of containers."""
        return links.ports(bridge)

    def is_shut(self, bridge: str) -> bool:
        """Whether it has no part itself in a network at its bridge."""
        return links.is_shut(bridge)

    def can_connect(self) -> bool:
        """Whether it has the program that puts an interface into a bridge."""
        return links.can_connect()

    def connect(self, interface: str, bridge: str) -> None:
        """Make an interface a port of a bridge, in which it has no part itself then. Raises CommandError."""
        links.connect(interface, bridge)

    def release(self, bridge: str) -> None:
        """Take its interfaces out of a bridge. Raises CommandError."""
        links.release(bridge)

    def existing(self, paths: Iterable[str]) -> frozenset[str]:
        """Those of the paths that exist."""
        return frozenset(path for path in paths if Path(path).exists())

    def address(self) -> str:
        """The address that this host has towards others; nothing is sent."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect(("192.0.2.1", 9))
            return str(sock.getsockname()[0])
        return "127.0.0.1"

    def resolvers(self) -> tuple[str, ...]:
        """Addresses of the name servers it asks, less those that only it can ask: resolv.conf(5).

        Where all are behind a server of its own, systemd-resolved has those that are asked in the end.
        """
        for file in RESOLVERS:
            with contextlib.suppress(OSError):
                lines = (line.split() for line in file.read_text(errors="replace").splitlines())
                told = [line[1] for line in lines if line[:1] == ["nameserver"] and len(line) > 1]
                if found := tuple(each for each in dict.fromkeys(told) if _elsewhere(each)):
                    return found
        return ()

    def make_cgroup(self, path: Path) -> None:
        """Make a cgroup; a new cpuset gets the processors and memory of the one above it."""
        for each in (path.parent, path):
            each.mkdir(exist_ok=True)
            for name in ("cpuset.cpus", "cpuset.mems"):
                setting = each / name
                if setting.exists() and not setting.read_text().strip() and os.access(each.parent / name, os.R_OK):
                    with contextlib.suppress(OSError):
                        setting.write_text((each.parent / name).read_text().strip())

    def processes(self, cgroups: Iterable[Path]) -> frozenset[int]:
        """Ids of the processes that live in cgroups and below them."""
        found: set[int] = set()
        for path in (each for cgroup in cgroups for each in cgroup.rglob("cgroup.procs")):
            with contextlib.suppress(OSError):
                found.update(map(int, path.read_text().split()))
        return frozenset(found)

    def end(self, processes: Iterable[int]) -> None:
        """End processes at once."""
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def remove_cgroup(self, path: Path) -> bool:
        """Remove a cgroup and what is below it; False when processes live there."""
        if not path.is_dir():
            return True
        for directory in sorted((Path(name) for name, *_ in os.walk(path)), key=lambda each: -len(each.parts)):
            with contextlib.suppress(OSError):
                directory.rmdir()
        with contextlib.suppress(OSError):
            path.parent.rmdir()
        return not path.exists()

    def write_unit(self, name: str, text: str) -> bool:
        """Have systemd start a unit at boot; False when it does already, or there is no systemd."""
        file = UNITS / name
        if not SYSTEMD.is_dir() or (file.is_file() and file.read_text() == text):
            return False
        write_atomically(file, text.encode(), mode=0o644)
        run(["systemctl", "daemon-reload"])
        run(["systemctl", "enable", "--quiet", name])
        return True

    def remove_unit(self, name: str) -> None:
        """Take a unit away, if it is there."""
        if (UNITS / name).exists():
            run(["systemctl", "disable", "--quiet", name], check=False)
            (UNITS / name).unlink(missing_ok=True)

    def has_address(self, text: str) -> bool:
        """Whether a server could listen on that address here."""
        return _refusal(text, 0) != errno.EADDRNOTAVAIL

    def port_is_free(self, address: str, port: int) -> bool:
        """Whether a server could listen there."""
        return _refusal(address, port) != errno.EADDRINUSE

    def port_holder(self, port: int) -> str:
        """Name and id of the process that listens on a port, empty when that cannot be told."""
        wanted = f"{port:04X}"
        inodes = set()
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            with contextlib.suppress(OSError):
                rows = (line.split() for line in Path(table).read_text().splitlines()[1:])
                inodes |= {row[9] for row in rows if row[1].endswith(f":{wanted}") and row[3] == "0A"}
        return _process_with({f"socket:[{inode}]" for inode in inodes})

    def resolves(self, name: str) -> bool:
        """Whether a host name has an address, or is one."""
        try:
            socket.getaddrinfo(name, None)
        except OSError:
            return False
        return True


def _process_with(sockets: set[str]) -> str:
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            for handle in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if str(handle.readlink()) in sockets:
                        return f"{(process / 'comm').read_text().strip()} (process {process.name})"
    return ""


def _refusal(address: str, port: int) -> int | None:
    """Number of the error that a server would get that wants to listen there; None when it could."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((address, port))
        except OSError as error:
            return error.errno
    return None


def _elsewhere(address: str) -> bool:
    """Whether an address is one of another machine, to which routers lead."""
    try:
        seen = ip_address(address)
    except ValueError:  # one of a link has the link's name in it
        return False
    with contextlib.suppress(OSError):  # a machine may have no IPv6 at all
        own = _refusal(address, 0) is None
        return not (own or seen.is_loopback or seen.is_link_local or seen.is_unspecified)
    return False
