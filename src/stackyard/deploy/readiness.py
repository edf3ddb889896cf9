"""Readiness, decided from what was seen. Pure: it is told what was seen and when, and says what follows.

`wait.py` is the loop around it, which looks, asks and sleeps.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from stackyard.deploy.repeats import collapsed, reason, waits
from stackyard.errors import StackyardError
from stackyard.events import Event
from stackyard.plan.observed import LABEL_CONTAINER, Running
from stackyard.plan.resolved import Ask, ResolvedContainer, Waiting

QUIET = 3.0
"""Seconds within which a container that was left alone may become ready without a word."""
STEADY = 2.0
"""Seconds that a process without a health probe, or that crashed before, must run to count as ready."""
EXEC_PAUSE, LONGEST_PAUSE = 2.0, 5.0
"""Seconds between two questions that cost a process in the container, at least and at most."""
SHARE = 0.1
"""Part of the time that looking and asking may take: the busier the machine, the rarer, for what starts needs it."""
CRASHES = 3
"""Restarts after which a container is called crash-looping."""
HOPELESS = 6
"""Restarts after which it is not waited for."""
LATE = 10.0
"""Seconds after which one that is not ready yet is listened to, and then again and again."""
READ = 400
"""Lines of a container's log that are looked through for repetitions."""
SHOWN = 15
"""Lines of it that are shown."""

Logs = Callable[[str, int], list[str]]
"""Gives the last lines that a container wrote, by its name and how many."""


def reachable(probe: Ask) -> bool:
    """Whether the tool itself can ask: a connection to an address that is not the container's own loopback."""
    name = urlsplit(probe.http or f"tcp://{probe.tcp}").hostname if probe.http or probe.tcp else None
    if not name or name == "localhost":
        return False
    try:
        return not ip_address(name).is_loopback
    except ValueError:
        return True


def after(container: ResolvedContainer, there: Mapping[str, Running]) -> str:
    """The start, later than its own, before which a yes of a container does not count: ``NAME=SECONDS``, or nothing."""
    own = there.get(container.full_name)
    found = [there[name] for name in container.health.through if name in there] if container.health else []
    running = [each for each in found if each.running]
    if own is None or not running:
        return ""
    first = min(running, key=lambda each: each.began)
    name = first.labels.get(LABEL_CONTAINER, first.name)
    return f"{name}={first.began}" if first.began > own.began else ""


@dataclass(frozen=True)
class Question:
    """What to ask: of the container itself, or, with ``wait``, of what it waits for.

    ``probe`` is asked from outside; without one, the container's own health is asked inside it, and what it showed
    before ``after``, if there is one, does not count.
    """

    container: str
    probe: Ask | None = None
    wait: str = ""
    after: str = ""


@dataclass
class Watch:
    """What is known of one container."""

    container: ResolvedContainer
    running: Running | None = None
    after: str = ""
    """The start of another before which its yes does not count."""
    ready_in: tuple[str, str] = ("", "")
    """StartedAt of the start in which it was ready, and ``after``; it must be ready again after another."""
    seen: str = "not there"
    told: str = ""
    heard: str = ""
    """What it says itself that it waits for."""
    listen_at: float | None = None
    question: Question | None = None
    asked_inside: float = float("-inf")
    pause: float = EXEC_PAUSE
    """Seconds from then until it is asked inside again."""
    met: frozenset[str] = frozenset()
    """Waits that nobody of the site provides, and that were met."""
    start: tuple[str, float] = ("", 0.0)
    """The start that is watched, and since when it runs with nothing left to wait for."""
    restarts_before: int = 0
    crashed: bool = False
    ended: int = 0
    """Exit code of the last end that was seen; the engine forgets it with the next start."""

    @property
    def key(self) -> str:
        """How people name it."""
        return self.container.key

    @property
    def job(self) -> bool:
        """Whether it is to end."""
        return self.container.definition.job

    @property
    def runs(self) -> bool:
        """Whether its process runs."""
        return self.running is not None and self.running.running

    @property
    def done(self) -> bool:
        """Whether it is as it should be."""
        if self.running is None:
            return False
        if self.job:
            return self.running.status == "exited" and self.running.exit_code == 0
        return self.running.running and self.ready_in == (self.running.started_at, self.after)

    @property
    def crashes(self) -> int:
        """Restarts while it was waited for."""
        return self.running.restarts - self.restarts_before if self.running else 0

    def take(self, running: Running | None, *, first: bool) -> None:
        """Take what the engine says now; restarts of before the ``first`` look do not count."""
        if running and (first or self.running is None or self.running.id != running.id):
            self.restarts_before = _restarts_to_forgive(running) if first else 0
        self.running = running
        if running and not running.running:
            self.ended = running.exit_code or self.ended
        if not self.runs or not self.seen.startswith("running"):
            self.seen = state(running)

    def steady(self, now: float) -> bool:
        """Whether it has run long enough, with nothing left to wait for."""
        start = self.running.started_at if self.running else ""
        if self.start[0] != start:
            self.start = (start, now)
        return now - self.start[1] > STEADY

    def answered(self, seen: str, took: float = 0.0) -> None:
        """Take what was seen when it was asked, which took so many seconds; empty is yes."""
        self.pause = min(max(EXEC_PAUSE, took / SHARE), LONGEST_PAUSE)
        question, self.question = self.question, None
        if question and question.wait:
            self.met |= set() if seen else {question.wait}
            return
        self.seen = f"running; {seen}" if seen else "ready"
        if not seen and self.running is not None:
            self.ready_in = (self.running.started_at, self.after)


@dataclass
class Readiness:
    """The containers of a site, while all of them, or those of one ``node``, are waited for until a ``deadline``.

    The others are watched too, since those that are waited for may wait for them. Times are in seconds.
    """

    containers: Iterable[ResolvedContainer]
    node: str | None
    begun: float
    deadline: float
    logs: Logs
    touched: Container[str] | None = None
    """Names of those that the command has changed: the others are told of only when they are not ready at once."""
    watches: dict[str, Watch] = field(init=False)
    _looked: bool = False
    _watched_since: float = float("inf")

    def __post_init__(self) -> None:
        self.watches = {each.full_name: Watch(each) for each in self.containers}

    @property
    def wanted(self) -> list[Watch]:
        """Those that are waited for."""
        return [watch for watch in self.watches.values() if self.node in {None, watch.container.node}]

    @property
    def late(self) -> list[Watch]:
        """Those of them that are not ready and still can be."""
        return [watch for watch in self.wanted if not watch.done and not self._stranded(watch)]

    def look(self, found: Mapping[str, Running]) -> None:
        """Take the state of all containers."""
        for name, watch in self.watches.items():
            watch.take(found.get(name), first=not self._looked)
            watch.after = after(watch.container, found)
        self._looked = True

    def answer(self, container: str, seen: str, took: float = 0.0) -> None:
        """Take what was seen when the question about a container was asked, and its seconds; empty is yes."""
        self.watches[container].answered(seen, took)

    def questions(self, now: float) -> Iterator[Question]:
        """What to ask next; one question of a container at a time."""
        for watch in self.watches.values():
            if watch.question is None and watch.runs and not watch.job and not watch.done:
                watch.question = self._question(watch, now)
                if watch.question:
                    yield watch.question

    def _question(self, watch: Watch, now: float) -> Question | None:
        """What to ask of a container: first about what it waits for, then about itself. None needs no asking."""
        name, probe, open_ = watch.container.full_name, watch.container.health, self._open(watch)
        if open_:
            return Question(name, open_.probe, open_.name) if open_.probe else None
        if probe and reachable(probe):
            return Question(name, probe)
        if (probe is None or watch.crashes) and not watch.steady(now):
            return None
        healthy = watch.running and watch.running.health == "healthy"
        if probe is None or (healthy and not watch.container.serves and not watch.after):
            watch.answered("")
        elif now - watch.asked_inside > watch.pause:
            watch.asked_inside = now
            return Question(name, after=watch.after)
        return None

    def events(self, now: float) -> Iterator[Event]:
        """What changed since it was asked last: who is ready, who waits for what, who crashes."""
        self._watched_since = min(self._watched_since, now)
        for watch in self.wanted:
            self._listen(watch, now)
            text = "ready" if watch.done else self._waits(watch)
            if text != watch.told and not self._quiet(watch, now):
                watch.told = text
                seconds = now - self.begun if watch.done else None
                message = "" if watch.done and watch.job else text
                data = {"blocked": self._open(watch) is not None}
                yield Event("done" if watch.done else "progress", watch.key, message, seconds, data)
        for watch in self.wanted:
            if watch.crashes >= CRASHES and not watch.crashed and not watch.done:
                watch.crashed = True
                yield Event("failed", watch.key, self._crash(watch))

    def _quiet(self, watch: Watch, now: float) -> bool:
        """Whether nobody needs to hear of it: it was left alone, and is ready or has hardly been asked."""
        if self.touched is None or watch.container.full_name in self.touched or watch.told:
            return False
        return watch.done or (watch.runs and not watch.crashes and now - self._watched_since < QUIET)

    def _listen(self, watch: Watch, now: float) -> None:
        """Read what a container that is late says itself: what its own programs wait for, nobody else knows."""
        if not watch.runs or watch.job or watch.done or self._open(watch):
            watch.heard, watch.listen_at = "", None
        elif watch.listen_at is None:
            watch.listen_at = now + LATE
        elif now >= watch.listen_at:
            watch.heard, watch.listen_at = waits(self.logs(watch.container.full_name, 1)), now + LATE

    def stranded(self) -> Iterator[Event]:
        """Those that were not waited for, since they wait for another node, which is not up."""
        for watch in self.wanted:
            if self._stranded(watch):
                yield Event("note", watch.key, f"{self._waits(watch)}, which is not up")

    def failure(self, now: float) -> StackyardError | None:
        """Why it makes no sense to wait on: something crashes again and again, or it takes too long."""
        late = self.late
        hopeless = [watch for watch in late if watch.crashes >= HOPELESS]
        if hopeless:
            return StackyardError("\n".join(self._last(watch, watch.seen) for watch in hopeless), _hint(hopeless[0]))
        if not late or now - self.begun <= self.deadline:
            return None
        first = [watch for watch in late if not self._open(watch)] or late
        first = [watch for watch in first if watch.job or watch.seen != "running"] or first  # others had no time yet
        first.sort(key=lambda watch: watch.job and watch.runs)  # what a job waits for is rather the cause
        lines = [self._last(watch, self._waits(watch)) for watch in first]
        lines += [f"{watch.key}: {self._waits(watch)}" for watch in late if watch not in first]
        return StackyardError("\n".join((f"not ready within {self.deadline:.0f} s", *lines)), _hint(first[0]))

    def _waits(self, watch: Watch) -> str:
        """What a container waits for, first of all."""
        open_ = self._open(watch)
        if open_:
            who = ", ".join(each.key for each in self._providers(open_) if not each.done)
            return f"waits for {open_.name}" + (f" ({who})" if who else "")
        return "to end" if watch.runs and watch.job else watch.heard or watch.seen.removeprefix("running; ")

    def _providers(self, wait: Waiting) -> list[Watch]:
        return [self.watches[name] for name in wait.providers if name in self.watches]

    def _open(self, watch: Watch) -> Waiting | None:
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

    def _crash(self, watch: Watch) -> str:
        """That a container crashes, with its last word; the rest is told when it is given up."""
        code = f", code {watch.ended}" if watch.ended else ""
        why = reason(self.logs(watch.container.full_name, READ))
        return f"ends again and again, {watch.crashes} times{code}" + (f": {why}" if why else "")

    def _last(self, watch: Watch, state: str) -> str:
        """What was seen last of a container, and its last lines."""
        read = self.logs(watch.container.full_name, READ) if watch.running else []
        code = f", code {watch.ended}" if watch.ended and watch.runs else ""
        crashes = f"; it ended {watch.crashes} times{code}: {reason(read)}" if watch.crashes else ""
        means = f"\n  {watch.container.unhealthy}" if watch.container.unhealthy and watch.runs else ""
        lines = collapsed(read, SHOWN)
        return f"{watch.key}: {state}{crashes}{means}" + "".join(f"\n  | {line}" for line in lines)


def state(running: Running | None) -> str:
    """What the engine says of a container, in words."""
    if running is None:
        return "not there"
    if running.running:
        return "running"
    return f"{running.status}, code {running.exit_code}" + (f": {running.error}" if running.error else "")


def _restarts_to_forgive(running: Running) -> int:
    """Restarts of before that do not count; one that crash-loops already is told of at once."""
    return running.restarts if running.running else max(0, running.restarts - CRASHES)


def _hint(watch: Watch) -> str:
    return f"stackyard logs {watch.container.name} --node {watch.container.node}"
