"""Processes: run one to its end, start one beside, become one."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any

from .failure import NOT_EXECUTABLE, NOT_FOUND, Failure
from .log import redact, say

TAIL = 20
GRACE = 5.0


def become(argv: Sequence[str], env: Mapping[str, str]) -> None:
    """Replace this process; does not return. Failure when the command cannot be executed."""
    sys.stdout.flush()
    sys.stderr.flush()
    _default_signals()
    try:
        os.execvpe(argv[0], list(argv), dict(env))  # noqa: S606 - that is what an entrypoint does
    except OSError as error:
        raise _unusable(argv, error) from error


def start_beside(argv: Sequence[str], env: Mapping[str, str]) -> None:
    """Start a command beside the process that this one becomes, and end that one when the command fails.

    Its parent becomes init, so the process never sees a strange child.
    """
    process, child = os.getpid(), os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        os.setsid()
        if os.fork() == 0:
            run(argv, env)
    except (Failure, OSError) as error:
        say(*str(error).splitlines(), "so this container is stopped")
        os.kill(process, signal.SIGTERM)
    finally:
        os._exit(0)


def run(argv: Sequence[str], env: Mapping[str, str], folder: str | None = None) -> None:
    """Run a command to its end, in ``folder``, its output on standard error; Failure with its last lines when it fails.

    A process that it leaves behind must not keep its output open.
    """
    import subprocess  # noqa: PLC0415 - start-up time

    tail: deque[str] = deque(maxlen=TAIL)
    with _Leash() as leash:
        try:
            child = subprocess.Popen(  # noqa: S603
                list(argv),
                env=dict(env),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            raise _unusable(argv, error) from error
        leash.hold(child)
        for raw in child.stdout or ():
            line = raw.decode(errors="replace").rstrip("\n")
            tail.append(line)
            sys.stderr.write(redact(line) + "\n")
            sys.stderr.flush()
        code = child.wait()
    if code:
        ended = f"was killed by signal {-code}" if code < 0 else f"failed with exit code {code}"
        shown = [f"its last {len(tail)} lines:", *(f"  {line}" for line in tail)] if tail else ["it printed nothing"]
        raise Failure(f"{quoted(argv)} {ended}; {shown[0]}", *shown[1:])


def answer(argv: Sequence[str], env: Mapping[str, str], seconds: float) -> str | None:
    """None when a command exits 0 in time, else what was seen instead."""
    import subprocess  # noqa: PLC0415 - start-up time

    with _Leash() as leash:
        try:
            child = subprocess.Popen(  # noqa: S603
                list(argv), env=dict(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        except OSError as error:
            return f"{argv[0]}: {error.strerror}"
        leash.hold(child)
        try:
            output = child.communicate(timeout=seconds)[0].decode(errors="replace").strip()
        except subprocess.TimeoutExpired:
            return f"no answer in {seconds:g} s"
    if child.returncode == 0:
        return None
    last = output.splitlines()[-1] if output else "it printed nothing"
    return f"exit code {child.returncode}: {last}"


def quoted(argv: Sequence[str]) -> str:
    """A command as one can paste it into a shell."""
    return shlex.join(argv)


class _Leash:
    """From before a child is started until it is gone, signals to end are for it too."""

    def __init__(self) -> None:
        self.child: Any = None
        self.stopped = 0
        self.before: Any = None

    def __enter__(self) -> _Leash:  # noqa: PYI034 - Self is of Python 3.11
        self.before = signal.signal(signal.SIGTERM, self._stop)
        return self

    def hold(self, child: Any) -> None:
        """Take the child that was started; Failure when a signal came while it was."""
        self.child = child
        if self.stopped:
            raise _ended(self.stopped)

    def _stop(self, number: int, _: FrameType | None) -> None:
        if self.child is None:  # raised inside of what starts it, it would be lost
            self.stopped = number
            return
        raise _ended(number)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self.before)
        if self.child is None:
            if self.stopped:
                raise _ended(self.stopped)
        elif self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(GRACE)
            except Exception:  # noqa: BLE001 - TimeoutExpired, of a module that is not imported here
                self.child.kill()
                self.child.wait()


def _ended(number: int) -> Failure:
    return Failure("stopped by SIGTERM", code=128 + number)


def _default_signals() -> None:
    """Python ignores SIGPIPE, and what is ignored stays so in the process that follows."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


def _unusable(argv: Sequence[str], error: OSError) -> Failure:
    code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
    return Failure(f"cannot execute {argv[0]}: {error.strerror}", code=code)
