"""Signals that end a command, which has something to tidy up first."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SHOW_CURSOR = "\x1b[?25h"


class StoppedError(KeyboardInterrupt):
    """A signal has ended the command; ``code`` is its exit code, ``hint`` what to do next."""

    def __init__(self, number: int, hint: str) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number
        self.hint = hint


@contextmanager
def stoppable(hint: str) -> Iterator[None]:
    """SIGTERM and SIGHUP end the block as Ctrl-C does, so that it can tidy up; Ctrl-C during that ends the program.

    The others during that do nothing: `timeout` and shells send them twice. A signal that is ignored, as below nohup,
    stays so. Raises StoppedError in the block.
    """
    stopped = False

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        if not stopped:
            stopped = True
            raise StoppedError(number, hint)
        if number == signal.SIGINT:
            shown = _SHOW_CURSOR if sys.stderr.isatty() else ""
            os.write(sys.stderr.fileno(), f"{shown}\nerror: interrupted while tidying up\nhint: {hint}\n".encode())
            os._exit(128 + number)

    before = {number: signal.getsignal(number) for number in SIGNALS}
    taken = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in taken:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number] or signal.SIG_DFL)
