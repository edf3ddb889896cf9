"""What passes between the nodes."""

from __future__ import annotations

from stackyard.verify.context import Run
from stackyard.verify.frames import Expected, Frame, exchange, expected, missing
from stackyard.verify.outcome import Finding
from stackyard.verify.wait import until


def wire(run: Run) -> Finding:
    """The pings were seen between the nodes, in both directions, in the site's encapsulation; of one node, nothing."""
    if len(run.target.hosts) == 1:
        return Finding("one compute node: nothing crosses the wire", result="skipped")
    encapsulation = run.target.encapsulation

    def unseen() -> str:
        problems = []
        for capture in run.captures:
            found = missing(capture.frames.seen(), _expected(run, capture.point.node), encapsulation)
            problems += [f"on {capture.point.node}, in {capture.frames.records} frames: {each}" for each in found]
        return "; ".join(problems)

    until(unseen, what=f"pings in {encapsulation} on the tunnel network", deadline=20, told=run.tell)
    lines: list[str] = []
    for capture in run.captures:
        frames = capture.frames.seen()
        requests = [each for each in _expected(run, capture.point.node) if each.kind == "request"]
        shown = [pair for each in requests if (pair := exchange(frames, each, encapsulation))]
        lines.append(f"tunnel network of {capture.point.node}:")
        lines += [line for pair in sorted(shown, key=_begun) for each in pair for line in str(each).splitlines()]
    total = sum(len(capture.frames.seen()) for capture in run.captures)
    return Finding(f"{total} pings in {encapsulation}, both ways", {"pings": total}, lines)


def _begun(pair: tuple[Frame, Frame]) -> str:
    return pair[0].time


def _expected(run: Run, node: str) -> list[Expected]:
    """Return what must be seen on a node."""
    tunnels = {vm.address: vm.host.tunnel for vm in run.vms}
    pairs = [(a, b) for a, b in run.pairs() if node in {a.host.name, b.host.name}]
    return [each for a, b in pairs for each in expected((a.address, b.address), tunnels)]
