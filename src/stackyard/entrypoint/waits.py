"""Waiting for what a container needs: with a deadline, and saying for what and what was seen last."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from .expressions import truth
from .failure import Failure
from .log import say
from .probes import Question, question
from .session import Session

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 1.0
MINUTE = 60.0
DEADLINE = 300


def wait_for_all(session: Session, env: Mapping[str, str]) -> None:
    """Wait for one thing after the other."""
    for each in session.container.wait_for:
        if truth(each.get("when"), session.context):
            asked, ask = question(each["probe"], session, env)
            described = each["name"] if asked == each["name"] else f"{each['name']} ({asked})"
            wait(described, ask, float(each.get("deadline") or DEADLINE))


def wait(
    what: str,
    ask: Question,
    deadline: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Ask until the answer is yes; Failure after ``deadline`` seconds. Says something at once and once a minute."""
    start = clock()
    pause, spoken = FIRST_PAUSE, 0.0
    seen = ask()
    if seen is None:
        return
    say(f"waiting for {what}, at most {deadline:g} s: {seen}")
    while seen is not None:
        passed = clock() - start
        if passed >= deadline:
            raise Failure(f"gave up waiting for {what} after {deadline:g} s; seen last: {seen}")
        if passed >= spoken + MINUTE:
            spoken += MINUTE
            say(f"still waiting for {what}, {passed:.0f} s of {deadline:g}: {seen}")
        sleep(min(pause, max(deadline - passed, 0.01)))
        pause = min(pause * 1.5, LONGEST_PAUSE)
        seen = ask()
    say(f"{what} is there after {clock() - start:.1f} s")
