"""The loop around readiness: look at the engine, ask what there is to ask, tell, until all is ready or hopeless."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from stackyard.deploy.observe import inspect
from stackyard.deploy.probes import ask, ask_inside
from stackyard.deploy.readiness import SHARE, Readiness
from stackyard.effects.engine import Engine
from stackyard.events import Report

TICK = 0.25
LOOK = 1.0
"""Seconds between two looks at the engine, at least."""
PROBES = 16
"""Questions asked at once over the network."""
EXECS = 2
"""Questions asked at once that cost a process in a container."""


def until_ready(engine: Engine, readiness: Readiness, report: Report) -> None:
    """Wait until all that is wanted is ready.

    Raises StackyardError with what was seen last when it takes too long or is hopeless.
    """
    again = _look(engine, readiness)
    with ThreadPoolExecutor(PROBES) as direct, ThreadPoolExecutor(EXECS) as inside:
        asked: dict[str, Future[tuple[str, float]]] = {}
        try:
            while True:
                if not readiness.late or time.monotonic() > again:
                    _tell(readiness, report)
                    again = _look(engine, readiness)
                if not readiness.late:
                    break
                for name in [name for name, answer in asked.items() if answer.done()]:
                    readiness.answer(name, *asked.pop(name).result())
                for each in readiness.questions(time.monotonic()):
                    asked[each.container] = (
                        direct.submit(_timed, ask, each.probe)
                        if each.probe
                        else inside.submit(_timed, ask_inside, engine, each.container, each.after)
                    )
                _tell(readiness, report)
                if failure := readiness.failure(time.monotonic()):
                    raise failure
                time.sleep(TICK)  # between two looks at a state
        finally:
            direct.shutdown(wait=False, cancel_futures=True)
            inside.shutdown(wait=False, cancel_futures=True)
    for event in readiness.stranded():
        report(event)


def _look(engine: Engine, readiness: Readiness) -> float:
    """Look at the engine; returns when to look again."""
    begun = time.monotonic()
    readiness.look(inspect(engine, readiness.watches))
    now = time.monotonic()
    return now + max(LOOK, (now - begun) / SHARE)


def _timed(question: Callable[..., str], *what: object) -> tuple[str, float]:
    """The answer, and the seconds that it took."""
    begun = time.monotonic()
    return question(*what), time.monotonic() - begun


def _tell(readiness: Readiness, report: Report) -> None:
    for event in readiness.events(time.monotonic()):
        report(event)
