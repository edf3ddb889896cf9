"""What a run of the proof is given, and what it has made so far."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from stackyard.events import Event, Report
from stackyard.verify.capture import Capture
from stackyard.verify.cloud import Cloud, Network, Port
from stackyard.verify.target import ComputeNode, Target


@dataclass(frozen=True)
class Vm:
    """A VM of the proof, with the address that it must get."""

    name: str
    host: ComputeNode
    port: Port
    id: str = ""

    @property
    def address(self) -> str:
        """Its address in the network of the proof."""
        return self.port.address


@dataclass
class Run:
    """One run: what is given, and what the phases have made so far."""

    target: Target
    cloud: Cloud
    report: Report
    captures: tuple[Capture, ...]
    causes: Callable[[], Sequence[str]] = tuple
    seed: str = field(default_factory=lambda: secrets.token_hex(8))
    phase: str = ""
    image: str = ""
    flavor: str = ""
    network: Network | None = None
    vms: list[Vm] = field(default_factory=list)

    def tell(self, message: str) -> None:
        """Report how the phase gets on."""
        self.report(Event("progress", self.phase, message))

    def pairs(self) -> list[tuple[Vm, Vm]]:
        """Return which VMs talk to each other: in a ring, so that each node is in two pairs."""
        after = self.vms[1:] + self.vms[:1]
        pairs = [(a, b) for a, b in zip(self.vms, after, strict=True) if a != b]
        return pairs[:1] if len(self.vms) == 2 else pairs  # noqa: PLR2004 - a ring of two is one pair

    def peers(self, vm: Vm) -> list[Vm]:
        """Return those that a VM talks to."""
        return [b if a == vm else a for a, b in self.pairs() if vm in {a, b}]
