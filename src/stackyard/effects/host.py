"""The host: cgroups, devices, addresses, ports, names."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterable
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
_MOUNTS = Path("/proc/self/mountinfo")
_SERVER_ERROR = 500


def cgroups(mounts: Path = _MOUNTS) -> tuple[str, ...]:
    """Directories of the mounted v1 controllers, or one empty name when there is the one hierarchy of v2."""
    found = {"cgroup": set[str](), "cgroup2": set[str]()}
    for line in mounts.read_text().splitlines():
        before, _dash, after = line.partition(" - ")
        place, kind = Path(before.split()[4]), after.split()[0]
        if kind in found and place.is_relative_to(CGROUPS):
            found[kind].add(str(place.relative_to(CGROUPS)))
    if found["cgroup"]:
        return tuple(sorted(found["cgroup"]))
    return ("",) if "." in found["cgroup2"] else ()


def existing(paths: Iterable[str]) -> frozenset[str]:
    """Those of the paths that exist."""
    return frozenset(path for path in paths if Path(path).exists())


def address() -> str:
    """The address that this host has towards others; nothing is sent."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("192.0.2.1", 9))
        return str(sock.getsockname()[0])
    return "127.0.0.1"


def make_cgroup(path: Path) -> None:
    """Make a cgroup; a new cpuset gets the processors and memory of the one above it."""
    for each in (path.parent, path):
        each.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):
            setting = each / name
            if setting.exists() and not setting.read_text().strip() and os.access(each.parent / name, os.R_OK):
                with contextlib.suppress(OSError):
                    setting.write_text((each.parent / name).read_text().strip())


def remove_cgroup(path: Path) -> bool:
    """Remove a cgroup and what is below it; False when processes live there."""
    if not path.is_dir():
        return True
    for directory in sorted((Path(name) for name, *_ in os.walk(path)), key=lambda each: -len(each.parts)):
        with contextlib.suppress(OSError):
            directory.rmdir()
    with contextlib.suppress(OSError):
        path.parent.rmdir()
    return not path.exists()


def has_address(text: str) -> bool:
    """Whether a server could listen on that address here."""
    with socket.socket(socket.AF_INET6 if ":" in text else socket.AF_INET, socket.SOCK_STREAM) as sock:
        try:
            sock.bind((text, 0))
        except OSError as error:
            return error.errno != errno.EADDRNOTAVAIL
    return True


def port_is_free(host: str, port: int) -> bool:
    """Whether a server could listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


def port_holder(port: int) -> str:
    """Name and id of the process that listens on a port, empty when that cannot be told."""
    wanted = f"{port:04X}"
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            rows = (line.split() for line in Path(table).read_text().splitlines()[1:])
            inodes |= {row[9] for row in rows if row[1].endswith(f":{wanted}") and row[3] == "0A"}
    return _process_with({f"socket:[{inode}]" for inode in inodes})


def _process_with(sockets: set[str]) -> str:
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            for handle in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if str(handle.readlink()) in sockets:
                        return f"{(process / 'comm').read_text().strip()} (process {process.name})"
    return ""


def resolves(name: str) -> bool:
    """Whether a host name has an address."""
    try:
        socket.getaddrinfo(name, None)
    except OSError:
        return False
    return True


def connects(host: str, port: int, timeout: float = 1.0) -> str:
    """Empty when a TCP connection is accepted, else what was seen."""
    try:
        with socket.create_connection((host, port), timeout=timeout):
            return ""
    except OSError as error:
        return f"{host}:{port}: {error.strerror or error}"


def answers(url: str, timeout: float = 2.0) -> str:
    """Empty when a URL answers with a status below 500, else what was seen. No proxy is asked."""
    import urllib.error  # noqa: PLC0415 - takes long to import, and most commands need none of it
    import urllib.request  # noqa: PLC0415
    from http.client import HTTPException  # noqa: PLC0415

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=timeout):
            return ""
    except urllib.error.HTTPError as error:
        return f"{url}: status {error.code}" if error.code >= _SERVER_ERROR else ""
    except (OSError, HTTPException, ValueError) as error:
        return f"{url}: {getattr(error, 'reason', None) or error or type(error).__name__}"
