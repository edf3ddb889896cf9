"""Events shown to people: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from stackyard.events import Event, Report

MARKS = {"done": "✓", "unchanged": "=", "failed": "✗", "note": "!"}
STYLES = {"done": "green", "unchanged": "dim", "failed": "red", "note": "yellow"}
OVER = ("done", "unchanged", "failed")
NAMED = 4
"""Subjects that a line names, of those that are waited for."""


@contextmanager
def reporter(title: str, *, output: str = "text", every: float = 0) -> Iterator[Report]:
    """A sink of events on stderr for as long as the work lasts.

    A terminal gets a live view; pipes, CI and NO_COLOR plain lines; with ``output`` json only failures. Plain lines
    tell of all progress, or, with ``every``, in one line what is waited for, each so many seconds.
    """
    console = Console(stderr=True, highlight=False, no_color=bool(os.environ.get("NO_COLOR")))
    if output == "json":
        yield _Lines(failures_only=True)
    elif console.is_terminal and not os.environ.get("NO_COLOR") and not os.environ.get("CI"):
        view = _View(title, console)
        with Live(view, console=console, refresh_per_second=4, transient=True):
            yield view.report
    elif every:
        lines = _Summaries()
        with _repeatedly(lines.summary, every):
            yield lines
    else:
        yield _Lines()


@contextmanager
def _repeatedly(call: Callable[[], None], every: float) -> Iterator[None]:
    """Call something each so many seconds, aside, as long as the block lasts."""
    over = threading.Event()

    def loop() -> None:
        while not over.wait(every):
            call()

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class _Lines:
    """A line an event, with the time since the start."""

    def __init__(self, *, failures_only: bool = False) -> None:
        self._failures_only = failures_only
        self._begun = time.monotonic()
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        if event.kind == "waiting" or (self._failures_only and event.kind != "failed"):
            return
        self._print(_plain(event))

    def _print(self, line: str) -> None:
        elapsed = time.monotonic() - self._begun
        with self._lock:
            print(f"{elapsed:7.1f}  {line}", file=sys.stderr, flush=True)  # noqa: T201 - a sink


class _Summaries(_Lines):
    """Lines of what begins and what is over; what is between is told in one line when it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self._under_way: dict[str, Event] = {}

    def __call__(self, event: Event) -> None:
        if event.kind in OVER:
            self._under_way.pop(event.subject, None)
        elif event.kind != "note":
            self._under_way[event.subject] = event
        if event.kind != "progress":
            super().__call__(event)

    def summary(self) -> None:
        """Tell what is waited for: what is under way itself, and how many only wait for that."""
        events = list(self._under_way.values())
        first = [event for event in events if not event.data.get("blocked")] or events
        if first:
            names = [event.subject + _seen(event) for event in first]
            more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
            others = len(events) - len(first)
            more += [f"{others} that wait for others"] if others else []
            self._print(f"still waiting for {', '.join([*names[:NAMED], *more])}")


def _plain(event: Event) -> str:
    """An event in one line."""
    took = f" ({event.seconds:.1f} s)" if event.seconds is not None else ""
    word = {"done": "done", "unchanged": "unchanged", "failed": "FAILED"}.get(event.kind, "")
    return f"{event.subject}: {', '.join(part for part in (word, event.message) if part)}{took}"


def _seen(event: Event) -> str:
    """What is seen of something that is waited for, in brackets; of what waits for others, nothing."""
    return f" ({event.message})" if event.message and not event.data.get("blocked") else ""


class _View:
    """The live view: what is over scrolls above, a line for each thing that is under way.

    What only waits for others stands below the rest, dimmed, and is left out first where there is no room.
    """

    def __init__(self, title: str, console: Console) -> None:
        self._title = title
        self._console = console
        self._begun = time.monotonic()
        self._under_way: dict[str, tuple[Event, float]] = {}
        self._waiting: set[str] = set()
        self._over = 0
        self._lock = threading.Lock()

    def report(self, event: Event) -> None:
        """Take an event."""
        with self._lock:
            self._waiting.discard(event.subject)
            if event.kind == "waiting":
                self._waiting.add(event.subject)
            elif event.kind in OVER:
                self._under_way.pop(event.subject, None)
                self._over += 1
            elif event.kind != "note":
                since = self._under_way.get(event.subject, (event, time.monotonic()))[1]
                self._under_way[event.subject] = (event, since)
        if event.kind in MARKS:
            self._console.print(_line(event))

    def __rich__(self) -> RenderableType:
        with self._lock:
            under_way, waiting, over = list(self._under_way.values()), len(self._waiting), self._over
        blocked = [each for each in under_way if each[0].data.get("blocked")]
        active = [each for each in under_way if each not in blocked]
        now = time.monotonic()
        waiting += len(blocked)
        counts = [f"{over} finished", f"{len(active)} under way", *([f"{waiting} waiting"] if waiting else [])]
        head = Text(f"{self._title}: {', '.join(counts)}, {now - self._begun:.0f} s", style="dim")
        room = max(4, self._console.size.height - 4)
        shown = (active + blocked)[:room]
        hidden = len(under_way) - len(shown)
        rest = [Text(f"… and {hidden} more", style="dim")] if hidden else []
        return Group(head, _table(shown, now), *rest)


def _table(rows: Sequence[tuple[Event, float]], now: float) -> Table:
    """Subjects, what they do, and for how long."""
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column(justify="right", no_wrap=True)
    for event, since in rows:
        style = "dim" if event.data.get("blocked") else ""
        subject = Text(event.subject, style=style or "bold")
        table.add_row(subject, Text(event.message, style=style), Text(f"{now - since:.0f} s", style=style))
    return table


def _line(event: Event) -> Text:
    """A finished subject."""
    line = Text(f"{MARKS[event.kind]} ", style=STYLES[event.kind])
    line.append(event.subject, style="bold")
    line.append(f"  {event.message}")
    if event.seconds is not None:
        line.append(f"  {event.seconds:.1f} s", style="dim")
    return line
