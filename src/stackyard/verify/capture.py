"""Listens on the tunnel network of a node, as the seed's last picture does.

What captures comes from the catalogue: a container, whose image has the program and whose network is
the node's, and a command. It runs in a container of its own that is gone afterwards, so that
no container of the site needs the privilege.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from stackyard.effects.engine import Engine
from stackyard.errors import StackyardError
from stackyard.verify.frames import Frames
from stackyard.verify.wait import until

CAPABILITIES = ("NET_RAW", "SETUID", "SETGID")
"""To open a raw socket, and to give up being root right after."""

READY = "listening on "
DEADLINE = 30


@dataclass(frozen=True)
class CapturePoint:
    """Where and how to capture: ``network`` is the container whose network namespace is the node's."""

    node: str
    name: str
    network: str
    image: str
    command: tuple[str, ...]

    @property
    def start(self) -> list[str]:
        """Arguments of docker that run the capture in the foreground."""
        return [
            "run",
            "--rm",
            "--name",
            self.name,
            "--network",
            f"container:{self.network}",
            "--user",
            "0:0",
            "--read-only",
            "--cap-drop",
            "ALL",
            *(word for capability in CAPABILITIES for word in ("--cap-add", capability)),
            "--security-opt",
            "no-new-privileges",
            "--entrypoint",
            self.command[0],
            self.image,
            *self.command[1:],
        ]

    @property
    def stop(self) -> list[str]:
        """Arguments of docker that end it, also one that a killed run has left."""
        return ["rm", "--force", self.name]


class Capture:
    """A capture that goes on."""

    def __init__(self, engine: Engine, point: CapturePoint) -> None:
        self._engine = engine
        self.point = point
        self.frames = Frames()
        self.ready = False
        self._said: deque[str] = deque(maxlen=5)
        self._thread = threading.Thread(target=self._listen, name=point.name, daemon=True)

    def start(self) -> None:
        """Begin, in place of one that was left."""
        self._engine.attempt(*self.point.stop, timeout=DEADLINE)
        self._thread.start()

    def waits(self) -> str:
        """Return what is missing until it listens. Raises StackyardError when it has ended."""
        if not self.ready and not self._thread.is_alive():
            raise StackyardError(f"the capture on {self.point.node} ended: {' / '.join(self._said)}")
        return "" if self.ready else f"the capture on {self.point.node} starts"

    def stop(self) -> None:
        """End it, and wait until its last line is read. What an engine that hangs leaves, the next start ends."""
        with suppress(StackyardError):
            self._engine.attempt(*self.point.stop, timeout=DEADLINE)
        if self._thread.is_alive():
            self._thread.join(DEADLINE)

    def _listen(self) -> None:
        try:
            self._engine.stream(*self.point.start, on_line=self._take)
        except StackyardError as error:
            self._said.append(error.message)

    def _take(self, line: str) -> None:
        self.ready = self.ready or READY in line
        self._said.append(line)
        self.frames.feed(line)


def end_left(engine: Engine, names: str) -> None:
    """End captures whose names begin so, which a run has left that could not tidy up."""
    left = engine.attempt("ps", "--all", "--quiet", "--filter", f"name=^{names}", timeout=DEADLINE).stdout.split()
    if left:
        engine.attempt("rm", "--force", *left, timeout=DEADLINE)


def begin(captures: Sequence[Capture]) -> None:
    """Start captures and wait until all of them listen. Raises StackyardError when one does not."""
    for capture in captures:
        capture.start()
    until(
        lambda: ", ".join(filter(None, (capture.waits() for capture in captures))),
        what="captures on the tunnel network",
        deadline=DEADLINE,
        interval=0.1,
    )
