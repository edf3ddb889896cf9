"""An end to calls that may hang."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread
from typing import TypeVar

LAST = 5.0
"""Seconds that a call may take on after Ctrl-C: only what it has made by then can be deleted."""

T = TypeVar("T")


def within(seconds: float, ask: Callable[[], T]) -> T:
    """Return the answer to a question that may hang; its thread is left behind then. Raises TimeoutError.

    The client's own timeouts are not enough: they count from one byte to the next, and not while a name is looked up.
    """
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except Exception as error:  # noqa: BLE001 - whoever asked gets it
            answer.set_exception(error)

    Thread(target=run, daemon=True).start()
    try:
        return answer.result(seconds)
    except KeyboardInterrupt:
        wait([answer], min(LAST, seconds))
        raise
