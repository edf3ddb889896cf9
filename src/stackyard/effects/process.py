"""Processes: commands are values, this runs them."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from stackyard.errors import CommandError, TimedOutError


@dataclass(frozen=True)
class Result:
    """What a finished process left: exit code and decoded output."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str


def run(
    argv: Sequence[str],
    *,
    check: bool = True,
    timeout: float | None = None,
    pass_fds: Sequence[int] = (),
) -> Result:
    """Run a command to its end and return its output.

    ``pass_fds`` stay open in it. Raises CommandError when it cannot start or, with ``check``, exits non-zero,
    TimedOutError when it takes longer than ``timeout`` seconds.
    """
    try:
        done = subprocess.run(  # noqa: S603 - the one place that runs processes
            list(argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            pass_fds=pass_fds,
        )
    except FileNotFoundError as error:
        raise CommandError(f"cannot run {shlex.join(argv)}: {argv[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise TimedOutError(f"{shlex.join(argv)} did not end within {timeout:.0f} s") from error
    result = Result(tuple(argv), done.returncode, done.stdout, done.stderr)
    if check and result.code:
        tail = "\n".join((result.stderr or result.stdout).strip().splitlines()[-15:])
        raise CommandError(f"{shlex.join(argv)} exited with {result.code}:\n{tail}")
    return result
