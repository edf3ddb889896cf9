"""Processes: commands are values, this runs them."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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
    input_text: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    check: bool = True,
    timeout: float | None = None,
    pass_fds: Sequence[int] = (),
) -> Result:
    """Run a command to its end and return its output.

    ``env`` is laid over this process's; ``pass_fds`` stay open in it. Raises CommandError when it cannot start
    or, with ``check``, exits non-zero, TimedOutError when it takes longer than ``timeout`` seconds.
    """
    try:
        done = subprocess.run(  # noqa: S603 - the one place that runs processes
            list(argv),
            input=input_text,
            stdin=subprocess.DEVNULL if input_text is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            env={**os.environ, **env} if env else None,
            cwd=cwd,
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
