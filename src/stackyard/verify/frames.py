"""What tcpdump prints of encapsulated pings, read strictly.

Both forms that it has are read: the short one of the seed, and that of ``-v``, which spreads each header
over lines of its own. Checked with tcpdump 4.99: print-vxlan.c, print-geneve.c, print-icmp.c.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

LIMIT = 20_000
"""Encapsulated pings that are kept of one capture; older ones are dropped."""

_TIME = re.compile(r"\d\d:\d\d:\d\d\.\d+ ")
_OUTER = re.compile(
    r"^(?P<time>\S+) .*?\b(?P<source>[0-9a-f.:]+)\.(?P<source_port>\d+) > "
    r"(?P<target>[0-9a-f.:]+)\.(?P<target_port>\d+): "
    r"(?:\[[^]]*\] )?(?P<encapsulation>[A-Za-z]+), .*?\bvni (?P<vni>0x[0-9a-f]+|\d+)\b(?P<inner>.*)$"
)
_INNER = re.compile(
    r"\b(?P<source>[0-9.]+) > (?P<target>[0-9.]+): ICMP echo (?P<kind>request|reply), id (?P<id>\d+), seq (?P<seq>\d+)"
)


@dataclass(frozen=True)
class Frame:
    """One encapsulated ping: who sent it to whom outside, in what, and inside."""

    time: str
    outer_source: str
    outer_source_port: int
    outer_target: str
    outer_target_port: int
    encapsulation: str
    vni: int
    source: str
    target: str
    kind: Literal["request", "reply"]
    id: int
    seq: int

    def __str__(self) -> str:
        return (
            f"{self.time} IP {self.outer_source}.{self.outer_source_port} > "
            f"{self.outer_target}.{self.outer_target_port}: {self.encapsulation}, vni {self.vni}\n"
            f"IP {self.source} > {self.target}: ICMP echo {self.kind}, id {self.id}, seq {self.seq}"
        )


@dataclass(frozen=True)
class Expected:
    """A frame that must be seen: from one VM to another, and between their nodes."""

    kind: Literal["request", "reply"]
    source: str
    target: str
    outer_source: str
    outer_target: str

    def __str__(self) -> str:
        return f"echo {self.kind} {self.source} > {self.target}"

    @property
    def answer(self) -> Expected:
        """The reply to it, which comes back between the same nodes."""
        return Expected("reply", self.target, self.source, self.outer_target, self.outer_source)


def frame(record: str) -> Frame | None:
    """Read one record of tcpdump, its lines joined by spaces; None when it is not an encapsulated ping."""
    outer = _OUTER.match(record)
    inner = _INNER.search(outer["inner"]) if outer else None
    if not outer or not inner:
        return None
    return Frame(
        time=outer["time"],
        outer_source=outer["source"],
        outer_source_port=int(outer["source_port"]),
        outer_target=outer["target"],
        outer_target_port=int(outer["target_port"]),
        encapsulation=outer["encapsulation"],
        vni=int(outer["vni"], 0),
        source=inner["source"],
        target=inner["target"],
        kind="request" if inner["kind"] == "request" else "reply",
        id=int(inner["id"]),
        seq=int(inner["seq"]),
    )


class Frames:
    """The encapsulated pings of a capture that goes on; fed line by line in one thread, read in another."""

    def __init__(self) -> None:
        self.records = 0
        self._lock = threading.Lock()
        self._record = ""
        self._frames: deque[Frame] = deque(maxlen=LIMIT)

    def feed(self, line: str) -> None:
        """Take a line: one with a time begins a record, the others belong to the one before."""
        with self._lock:
            if _TIME.match(line):
                self._finish()
                self.records += 1
                self._record = line
            elif self._record:
                self._record = f"{self._record} {line.strip()}"

    def seen(self) -> list[Frame]:
        """Return the pings so far, with the one whose record may not be complete when it is readable already."""
        with self._lock:
            pending = frame(self._record)
            return [*self._frames, *([pending] if pending else [])]

    def _finish(self) -> None:
        found = frame(self._record)
        if found:
            self._frames.append(found)


def expected(pair: Sequence[str], tunnels: Mapping[str, str]) -> list[Expected]:
    """Return what two VMs that ping each other must show; ``tunnels`` has the address of each VM's node."""
    ways = [(pair[0], pair[1]), (pair[1], pair[0])]
    kinds: tuple[Literal["request", "reply"], ...] = ("request", "reply")
    return [
        Expected(kind, source, target, tunnels[source], tunnels[target]) for source, target in ways for kind in kinds
    ]


def first(frames: Sequence[Frame], wanted: Expected, encapsulation: str) -> Frame | None:
    """Return the first frame that is what is expected, inside and outside, in the right encapsulation."""
    return next((each for each in frames if not _differences(each, wanted, encapsulation)), None)


def exchange(frames: Sequence[Frame], request: Expected, encapsulation: str) -> tuple[Frame, Frame] | None:
    """Return the first ping as it is expected that was answered, with its answer."""
    waiting: dict[tuple[int, int], Frame] = {}
    for each in frames:
        if not _differences(each, request, encapsulation):
            waiting[each.id, each.seq] = each
        elif (each.id, each.seq) in waiting and not _differences(each, request.answer, encapsulation):
            return waiting[each.id, each.seq], each
    return None


def missing(frames: Sequence[Frame], wanted: Sequence[Expected], encapsulation: str) -> list[str]:
    """Return, in words, what of all that is expected was not seen, and what was seen in its place."""
    problems = []
    for each in wanted:
        if first(frames, each, encapsulation):
            continue
        near = [frame for frame in frames if (frame.kind, frame.source, frame.target) == _inside(each)]
        why = "; ".join(_differences(near[-1], each, encapsulation)) if near else "not seen"
        problems.append(f"{each}: {why}")
    requests = [each for each in wanted if each.kind == "request"]
    return problems or [f"{each}: no reply to it" for each in requests if not exchange(frames, each, encapsulation)]


def _inside(wanted: Expected) -> tuple[str, str, str]:
    return wanted.kind, wanted.source, wanted.target


def _differences(frame: Frame, wanted: Expected, encapsulation: str) -> list[str]:
    pairs = [
        ("kind", frame.kind, wanted.kind),
        ("from", frame.source, wanted.source),
        ("to", frame.target, wanted.target),
        ("encapsulation", frame.encapsulation.lower(), encapsulation),
        ("from node", frame.outer_source, wanted.outer_source),
        ("to node", frame.outer_target, wanted.outer_target),
    ]
    return [f"{name} {got}, not {should}" for name, got, should in pairs if got != should]
