"""Readiness, observed in one place: the tool asks every container's health probe until all say yes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from stackyard.deploy.observe import inspect
from stackyard.deploy.probes import STEADY, ask, ask_inside, reachable
from stackyard.deploy.repeats import collapsed
from stackyard.effects.engine import Engine
from stackyard.errors import StackyardError
from stackyard.events import Event, Report
from stackyard.plan.observed import Running
from stackyard.plan.resolved import ResolvedContainer, Wait

TICK = 0.25
LOOK = 1.0
"""Seconds between two looks at the engine."""
EXEC_PAUSE = 2.0
"""Seconds between two questions that cost a process in the container."""
EXECS = 2
CRASHES = 3
"""Restarts after which a container is called crash-looping."""
HOPELESS = 6
"""Restarts after which it is not waited for."""
READ = 400
"""Lines of a container's log that are looked through for repetitions."""
SHOWN = 15
"""Lines of it that are shown."""


@dataclass
class Watch:
    """What is known of one container while it is waited for."""

    container: ResolvedContainer
    since: float
    running: Running | None = None
    ready_in: str = ""
    """StartedAt of the start in which it was ready; it must be ready again after another."""
    seen: str = "not there"
    told: str = ""
    asked_at: float = 0.0
    question: Future[str] | None = None
    asked_for: str = ""
    """The wait that the question is about; empty when it is about the container's own health."""
    met: frozenset[str] = frozenset()
    """Waits that nobody of the site provides, and that were met."""
    start: tuple[str, float] = ("", 0.0)
    """The start that is watched, and since when it runs with nothing left to wait for."""
    restarts_before: int = 0
    crashed: bool = False

    @property
    def once(self) -> bool:
        """Whether it is to end."""
        return self.container.definition.once

    @property
    def done(self) -> bool:
        """Whether it is as it should be."""
        if self.running is None:
            return False
        if self.once:
            return self.running.status == "exited" and self.running.exit_code == 0
        return self.running.running and self.ready_in == self.running.started_at

    @property
    def runs(self) -> bool:
        """Whether its process runs."""
        return self.running is not None and self.running.running

    def steady(self) -> bool:
        """Whether it has run long enough, with nothing left to wait for."""
        start = self.running.started_at if self.running else ""
        if self.start[0] != start:
            self.start = (start, time.monotonic())
        return time.monotonic() - self.start[1] > STEADY

    @property
    def crashes(self) -> int:
        """Restarts while it was waited for."""
        return self.running.restarts - self.restarts_before if self.running else 0


@dataclass
class Waiting:
    """The wait for containers of a site, all or those of one node; ``deadline`` in seconds.

    The others are looked at too, since those that are waited for may wait for them.
    """

    engine: Engine
    containers: Sequence[ResolvedContainer]
    node: str | None
    report: Report
    deadline: float
    watches: dict[str, Watch] = field(default_factory=dict)

    def until_ready(self) -> None:
        """Wait. Raises StackyardError with what was seen last when it takes too long or is hopeless."""
        begun = time.monotonic()
        self.watches = {each.full_name: Watch(each, begun) for each in self.containers}
        self._look(first=True)
        looked = begun
        with ThreadPoolExecutor(16) as direct, ThreadPoolExecutor(EXECS) as inside:
            try:
                while self._pending():
                    if time.monotonic() - looked > LOOK:
                        self._look()
                        looked = time.monotonic()
                    self._ask(direct, inside)
                    self._tell()
                    self._give_up(begun)
                    time.sleep(TICK)  # between two looks at a state
                self._tell_stranded()
            finally:
                direct.shutdown(wait=False, cancel_futures=True)
                inside.shutdown(wait=False, cancel_futures=True)

    def _pending(self) -> list[Watch]:
        """Those not ready; when it seems that there are none, the engine is asked once more."""
        if not self._late():
            self._tell()
            self._look()
        return self._late()

    def _wanted(self) -> list[Watch]:
        return [watch for watch in self.watches.values() if self.node in {None, watch.container.node}]

    def _late(self) -> list[Watch]:
        return [watch for watch in self._wanted() if not watch.done and not self._stranded(watch)]

    def _look(self, *, first: bool = False) -> None:
        """Take the state of all containers from the engine."""
        found = inspect(self.engine, self.watches)
        for name, watch in self.watches.items():
            running = found.get(name)
            if running and (first or watch.running is None or watch.running.id != running.id):
                watch.restarts_before = _restarts_to_forgive(running) if first else 0
            watch.running = running
            watch.seen = self._state(watch)

    @staticmethod
    def _state(watch: Watch) -> str:
        running = watch.running
        if running is None:
            return "not there"
        if running.running:
            return watch.seen if watch.seen.startswith("running") else "running"
        return f"{running.status}, code {running.exit_code}" + (f": {running.error}" if running.error else "")

    def _ask(self, direct: ThreadPoolExecutor, inside: ThreadPoolExecutor) -> None:
        """Collect answers and ask again where there is none to wait for."""
        for watch in self.watches.values():
            if watch.question is not None:
                if not watch.question.done():
                    continue
                self._answer(watch, watch.question.result())
            if watch.done or watch.once or not watch.runs:
                continue
            open_ = self._open(watch)
            if open_ is None:
                self._ask_health(watch, direct, inside)
            elif open_.probe:
                watch.asked_for = open_.name
                watch.question = direct.submit(ask, open_.probe)

    def _ask_health(self, watch: Watch, direct: ThreadPoolExecutor, inside: ThreadPoolExecutor) -> None:
        """Ask a container that has nothing left to wait for."""
        probe = watch.container.health
        if probe and reachable(probe):
            watch.question = direct.submit(ask, probe)
        elif (probe is None or watch.crashes) and not watch.steady():
            return
        elif probe is None or (watch.running and watch.running.health == "healthy"):
            self._answer(watch, "")
        elif time.monotonic() - watch.asked_at > EXEC_PAUSE:
            watch.asked_at = time.monotonic()
            watch.question = inside.submit(ask_inside, self.engine, watch.container.full_name)

    @staticmethod
    def _answer(watch: Watch, seen: str) -> None:
        watch.question = None
        if watch.asked_for:
            watch.met |= set() if seen else {watch.asked_for}
            watch.asked_for = ""
            return
        watch.seen = f"running; {seen}" if seen else "ready"
        if not seen and watch.running is not None:
            watch.ready_in = watch.running.started_at

    def _tell_stranded(self) -> None:
        for watch in self._wanted():
            if self._stranded(watch):
                self.report(Event("note", watch.container.key, f"{self._waits(watch)}, which is not up"))

    def _tell(self) -> None:
        """Report what changed: who is ready, who waits for what, who crashes."""
        for watch in self._wanted():
            text = "ready" if watch.done else self._waits(watch)
            if text == watch.told:
                continue
            watch.told = text
            seconds = time.monotonic() - watch.since if watch.done else None
            message = "" if watch.done and watch.once else text
            data = {"blocked": self._open(watch) is not None}
            self.report(Event("done" if watch.done else "progress", watch.container.key, message, seconds, data))
        for watch in self._wanted():
            if watch.crashes >= CRASHES and not watch.crashed and not watch.done:
                watch.crashed = True
                self.report(Event("failed", watch.container.key, _crash(self.engine, watch)))

    def _waits(self, watch: Watch) -> str:
        """What a container waits for, first of all."""
        open_ = self._open(watch)
        if open_:
            who = ", ".join(each.container.key for each in self._providers(open_) if not each.done)
            return f"waits for {open_.name}" + (f" ({who})" if who else "")
        return "to end" if watch.runs and watch.once else watch.seen.removeprefix("running; ")

    def _providers(self, wait: Wait) -> list[Watch]:
        return [self.watches[name] for name in wait.providers if name in self.watches]

    def _open(self, watch: Watch) -> Wait | None:
        """The first of a container's waits that is not met: its provider is not ready, or does not answer."""
        for wait in watch.container.waits:
            if any(not each.done for each in self._providers(wait)):
                return wait
            if not wait.providers and wait.probe and wait.name not in watch.met:
                return wait
        return None

    def _stranded(self, watch: Watch, above: frozenset[str] = frozenset()) -> bool:
        """Whether it waits, in the end, for a container of another node that does not run."""
        name = watch.container.full_name
        if watch.done or self.node is None or name in above:
            return False
        if watch.container.node != self.node:
            return not watch.runs
        open_ = self._open(watch)
        return open_ is not None and any(self._stranded(each, above | {name}) for each in self._providers(open_))

    def _give_up(self, begun: float) -> None:
        late = self._late()
        hopeless = [watch for watch in late if watch.crashes >= HOPELESS]
        if hopeless:
            raise StackyardError(
                "\n".join(_last(self.engine, watch, watch.seen) for watch in hopeless), _hint(hopeless[0])
            )
        if late and time.monotonic() - begun > self.deadline:
            first = [watch for watch in late if not self._waits(watch).startswith("waits for")] or late
            lines = [_last(self.engine, watch, self._waits(watch)) for watch in first]
            lines += [f"{watch.container.key}: {self._waits(watch)}" for watch in late if watch not in first]
            text = "\n".join((f"not ready within {self.deadline:.0f} s", *lines))
            raise StackyardError(text, _hint(first[0]))


def _restarts_to_forgive(running: Running) -> int:
    """Restarts of before that do not count; one that crash-loops already is told of at once."""
    return running.restarts if running.running else max(0, running.restarts - CRASHES)


def _hint(watch: Watch) -> str:
    container = watch.container
    return f"stackyard logs {container.name} --node {container.node}"


def _crash(engine: Engine, watch: Watch) -> str:
    """That a container crashes, with its last word; the rest is told when it is given up."""
    code = watch.running.exit_code if watch.running else 0
    word = "".join(f": {line.strip()}" for line in engine.logs(watch.container.full_name, 1))
    return f"ends again and again, {watch.crashes} times, code {code}{word}"


def _last(engine: Engine, watch: Watch, state: str) -> str:
    """What was seen last of a container, and its last lines."""
    lines = collapsed(engine.logs(watch.container.full_name, READ), SHOWN) if watch.running else []
    crashes = f"; it ended {watch.crashes} times" if watch.crashes else ""
    return f"{watch.container.key}: {state}{crashes}" + "".join(f"\n  {line}" for line in lines)
