"""Processes: commands are values, this runs them."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from stackyard.errors import CommandError, InputError, TimedOutError

PLUGINS = ("buildx", "compose")
"""What a docker client needs beyond itself."""
USUAL = "/usr/bin"
"""Where a docker client is looked for when none on PATH will do."""


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


def _lacks(path: str) -> list[str]:
    """The plugins that a docker client does not have, of those that are needed."""
    with ThreadPoolExecutor(len(PLUGINS)) as pool:
        codes = pool.map(lambda plugin: run([path, plugin, "version"], check=False).code, PLUGINS)
        return [plugin for plugin, code in zip(PLUGINS, codes, strict=True) if code]


@cache
def docker() -> str:
    """Path of a docker client that has both the buildx and the compose plugin.

    The first on PATH is not always one of them, so each is asked. Raises InputError when there is none.
    """
    seen: dict[str, list[str]] = {}
    for directory in [*os.environ.get("PATH", "").split(os.pathsep), USUAL]:
        path = Path(directory) / "docker"
        if not os.access(path, os.X_OK) or path.resolve() in map(Path.resolve, map(Path, seen)):
            continue
        seen[str(path)] = _lacks(str(path))
        if not seen[str(path)]:
            return str(path)
    if not seen:
        raise InputError("there is no docker client on PATH", "install Docker (docker.io), or run ./quickstart")
    lines = [f"{path} has no {' and no '.join(lacking)}" for path, lacking in seen.items()]
    names = sorted({f"docker-{plugin}" for lacking in seen.values() for plugin in lacking})
    raise InputError(
        f"the docker client lacks a plugin: {'; '.join(lines)}",
        f"install {' and '.join(names)}, or run ./quickstart, which does",
    )
