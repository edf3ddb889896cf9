"""The VMs of the proof, as their consoles tell of them."""

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from openstack.exceptions import SDKException

from demo import Site
from waiting import NotYet, wait_for

SAID = re.compile(r"STACKYARD (.*)")


def virtual_machines() -> set[tuple[str, str]]:
    """Process id and start time of every QEMU on this machine."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if b"qemu-system" in (process / "cmdline").read_bytes().partition(b"\0")[0]:
                found.add((process.name, (process / "stat").read_text().rpartition(")")[2].split()[19]))
    return found


def console(site: Site, server: str) -> list[dict[str, str]]:
    """Return what the guest said so far, a mapping a line; nothing when nova cannot tell now."""
    try:
        output = site.cloud.compute.get_server_console_output(server, length=2000)["output"]
    except SDKException:
        return []
    return [dict(pair.split("=", 1) for pair in line.split() if "=" in pair) for line in SAID.findall(output)]


@dataclass(frozen=True)
class Heartbeat:
    """One sign of life."""

    number: int
    uptime: float
    pings: bool
    metadata: bool

    @property
    def well(self) -> bool:
        """All that it looked at was there."""
        return self.pings and self.metadata


def heartbeats(said: list[dict[str, str]]) -> list[Heartbeat]:
    """Return the heartbeats of the lines."""
    return [
        Heartbeat(
            int(line["heartbeat"]),
            float(line["uptime"]),
            pings="lost" not in line["ping"],
            metadata=line["metadata"] == "ok",
        )
        for line in said
        if {"heartbeat", "uptime", "ping", "metadata"} <= line.keys()
    ]


def last_heartbeat(site: Site, server: str) -> Heartbeat:
    """Wait until the guest is heard at all, and return its last heartbeat."""

    def probe() -> Heartbeat:
        beats = heartbeats(console(site, server))
        if not beats:
            raise NotYet("no heartbeat on the console")
        return beats[-1]

    return wait_for(f"a heartbeat of {server}", probe, 120, pause=1)


def well_again(site: Site, server: str, before: Heartbeat, beats: int = 3) -> Callable[[], Heartbeat]:
    """Probe: the same boot has had so many heartbeats since `before`, the last of them all well."""

    def probe() -> Heartbeat:
        heard = heartbeats(console(site, server))
        late = [beat for beat in heard if beat.number > before.number][-beats:]
        if len(late) < beats or not all(beat.well for beat in late):
            raise NotYet(f"before: {before}; since: {late or 'nothing'}")
        assert late[-1].uptime > before.uptime, f"it booted again: {before}, {late[-1]}"
        return late[-1]

    return probe
