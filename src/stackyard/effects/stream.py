"""A process whose output is read, or that is written to, while it runs."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from stackyard.errors import CommandError

GRACE = 20
"""Seconds that an interrupted process has to end."""


def stream(
    argv: Sequence[str],
    on_line: Callable[[str], None],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> int:
    """Run a command, hand on each line of its output and errors, and return its exit code.

    It has a process group of its own: after Ctrl-C it is asked to stop, once, and waited for.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - commands are values
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=cwd,
            env={**os.environ, **env} if env else None,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise CommandError(f"cannot run {argv[0]}: it is not installed") from error
    with process:
        try:
            for line in process.stdout or ():
                on_line(line.rstrip("\n"))
            return process.wait()
        except BaseException:
            _stop(process)
            raise


def _stop(process: subprocess.Popen[str]) -> None:
    """Ask the process group to stop, then make it."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.communicate(timeout=GRACE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def reading(argv: Sequence[str], *, pass_fds: Sequence[int] = ()) -> Iterator[IO[bytes]]:
    """Run a command and yield what it prints, as bytes. Raises CommandError when it fails.

    ``pass_fds`` stay open in it.
    """
    with _piped(argv, pass_fds, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout  # noqa: S101 - it is a pipe
        yield process.stdout


@contextmanager
def writing(argv: Sequence[str], *, pass_fds: Sequence[int] = ()) -> Iterator[IO[bytes]]:
    """Run a command and yield what it reads, as bytes; it ends with the block. Raises CommandError when it fails.

    ``pass_fds`` stay open in it.
    """
    with _piped(argv, pass_fds, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin  # noqa: S101 - it is a pipe
        yield process.stdin


@contextmanager
def _piped(
    argv: Sequence[str], pass_fds: Sequence[int], *, stdin: int, stdout: int
) -> Iterator[subprocess.Popen[bytes]]:
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(  # noqa: S603 - commands are values
            list(argv), stdin=stdin, stdout=stdout, stderr=told, pass_fds=pass_fds, start_new_session=True
        )
        broken = None
        try:
            yield process
            if process.stdin:
                process.stdin.close()
        except BrokenPipeError as error:  # it has ended before it read all, and says why
            broken = error
        except BaseException:
            process.kill()
            process.wait()
            raise
        if code := process.wait() or (broken and -signal.SIGPIPE):
            told.seek(0)
            tail = "\n".join(told.read().decode(errors="replace").strip().splitlines()[-15:])
            raise CommandError(f"{shlex.join(argv)} exited with {code}:\n{tail}")
