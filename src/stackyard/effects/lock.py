"""A lock that one command holds at a time, and that tells who has it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from stackyard.errors import InputError
from stackyard.events import Event, Report

PAUSE = 0.2


@dataclass(frozen=True)
class Holder:
    """Who has a lock: ``stackyard up, process 17``; ``waited`` is for how many seconds it is waited for."""

    name: str
    waited: float

    @property
    def alive(self) -> bool:
        """Whether the command itself still runs; when it was killed, what it started may hold the lock on."""
        pid = self.name.rpartition(" ")[2]
        return pid.isdigit() and Path(f"/proc/{pid}").exists()


def patient(report: Report, subject: str) -> Callable[[Holder], None]:
    """Waits for whoever has a lock, and tells it once."""

    def busy(holder: Holder) -> None:
        if not holder.waited:
            report(Event("note", subject, f"waits for {holder.name} to end"))

    return busy


@contextmanager
def locked(file: Path, verb: str, busy: Callable[[Holder], None]) -> Iterator[int]:
    """Hold a lock; yields its file descriptor, for children that must hold it on after this process.

    As long as another has it, ``busy`` is called again and again, first with nothing waited; it may raise to give up.
    Raises InputError when the file cannot be written.
    """
    begun = None
    while True:
        with _opened(file) as stream:
            if not _lock(stream):
                now = time.monotonic()
                begun = begun or now
                stream.seek(0)
                busy(Holder(stream.read().strip() or "unknown", now - begun))
                time.sleep(PAUSE)  # until the lock is free
            elif _is_current(file, stream):
                stream.seek(0)
                stream.truncate()
                stream.write(f"stackyard {verb}, process {os.getpid()}\n")
                stream.flush()
                yield stream.fileno()
                return


def _opened(file: Path) -> IO[str]:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return file.open("a+")
    except OSError as error:
        raise InputError(
            f"cannot write to {file.parent}: {error.strerror}",
            "run as root (sudo), make room, or name another place in STACKYARD_STATE",
        ) from error


def _lock(stream: IO[str]) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_current(file: Path, stream: IO[str]) -> bool:
    """Whether the file that is locked is still the one of that name: `down --volumes` removes it."""
    try:
        return file.stat().st_ino == os.fstat(stream.fileno()).st_ino
    except FileNotFoundError:
        return False
