"""The pulse of a VM of the proof: every two seconds it says on its console what it reaches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from stackyard.verify.console import Marker, markers


@dataclass(frozen=True)
class Heartbeat:
    """One line of the pulse.

    ``time`` is the guest's clock in seconds since 1970, ``uptime`` seconds since it booted,
    ``pings`` the round trip in ms to each peer, None when there was no answer within a second.
    """

    number: int
    time: float
    uptime: float
    pings: dict[str, float | None]
    metadata: bool

    @property
    def well(self) -> bool:
        """Whether it reached all its peers and the metadata service."""
        return self.metadata and None not in self.pings.values()


@dataclass(frozen=True)
class Pulse:
    """What a stretch of heartbeats comes to."""

    count: int
    lost_pings: int
    lost_metadata: int
    longest_gap: float
    rebooted: bool


def parse(console: str, since: float = 0) -> list[Heartbeat]:
    """Return the heartbeats of a console log."""
    found = [_heartbeat(marker) for marker in markers(console) if "heartbeat" in marker]
    return [heartbeat for heartbeat in found if heartbeat.time >= since]


def pulse(found: Sequence[Heartbeat]) -> Pulse:
    """Return what heartbeats come to: a gap is the time between two of them."""
    steps = list(pairwise(found))
    return Pulse(
        count=len(found),
        lost_pings=sum(each is None for heartbeat in found for each in heartbeat.pings.values()),
        lost_metadata=sum(not heartbeat.metadata for heartbeat in found),
        longest_gap=_longest(after.time - before.time for before, after in steps),
        rebooted=any(after.uptime < before.uptime for before, after in steps),
    )


def _longest(gaps: Iterable[float]) -> float:
    return max(gaps, default=0.0)


def _heartbeat(marker: Marker) -> Heartbeat:
    pings = dict(each.rsplit(":", 1) for each in marker["ping"].split(",") if each)
    return Heartbeat(
        number=int(marker["heartbeat"]),
        time=float(marker["time"]),
        uptime=float(marker["uptime"]),
        pings={peer: None if time == "lost" else float(time) for peer, time in pings.items()},
        metadata=marker["metadata"] == "ok",
    )
