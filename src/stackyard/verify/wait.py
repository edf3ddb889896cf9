"""Waiting for a state, with a deadline and a message; never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable

from stackyard.effects.openstack import ApiError
from stackyard.errors import StackyardError
from stackyard.verify.cloud import OutOfTimeError

INTERVAL = 0.5

Question = Callable[[], str]
"""Returns what is still missing, in words, and nothing when the state is there."""


def until(
    question: Question,
    *,
    what: str,
    deadline: float,
    told: Callable[[str], None] = lambda _seen: None,
    interval: float = INTERVAL,
) -> None:
    """Ask until nothing is missing; ``told`` hears each new answer. An API that refuses is asked again.

    Raises StackyardError, with what was waited for and what was seen last, after ``deadline`` seconds.
    """
    end = time.monotonic() + deadline
    last = ""
    try:
        while seen := _ask(question):
            if seen != last:
                told(seen)
                last = seen
            if time.monotonic() > end:
                raise StackyardError(f"{what}: not within {deadline:.0f} s; last seen: {seen}")
            time.sleep(interval)
    except OutOfTimeError as error:
        raise StackyardError(f"{what}: {error.message}; last seen: {last or 'nothing'}") from error


def _ask(question: Question) -> str:
    try:
        return question()
    except ApiError as error:
        return error.message
