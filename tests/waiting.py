"""Waiting for a state, with a deadline and a message that says what was seen last."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


class NotYet(Exception):  # noqa: N818 - no error: the answer "not yet", with what was seen
    """Raised by a probe that wants to be asked again; its text is shown when the deadline passes."""


def wait_for(what: str, probe: Callable[[], Value], deadline: float, pause: float = 0.5) -> Value:
    """Return the first answer of `probe` that is not NotYet; fail when there is none within `deadline` seconds."""
    end = time.monotonic() + deadline
    while True:
        try:
            return probe()
        except NotYet as answer:
            if time.monotonic() > end:
                raise AssertionError(f"waited {deadline:.0f} s for {what}; seen last: {answer}") from answer
        time.sleep(pause)
