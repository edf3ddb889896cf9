"""Whether this machine can do what is about to be asked of it; each problem comes with its remedy."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from stackyard.effects.process import docker, run
from stackyard.errors import InputError, TimedOutError

GIB = 1024**3
PATIENCE = 15
"""Seconds that an engine has to say what it is."""


@dataclass(frozen=True)
class Engine:
    """What the engine says about itself."""

    version: str
    root: Path
    containers: int


@cache
def engine() -> Engine:
    """The engine, reachable and with a client that can build and compose. Raises InputError when it is not."""
    try:
        asked = run([docker(), "info", "--format", "{{json .}}"], check=False, timeout=PATIENCE)
    except TimedOutError:
        raise _unreachable(f"nothing is heard from it for {PATIENCE} s") from None
    try:
        answer = json.loads(asked.stdout)
    except ValueError:
        answer = {}
    problems = answer.get("ServerErrors") or []
    if asked.code or problems or not answer.get("ServerVersion"):
        raise _unreachable("; ".join(problems) or asked.stderr.strip())
    return Engine(answer["ServerVersion"], Path(answer["DockerRootDir"]), int(answer.get("Containers", 0)))


def _unreachable(said: str) -> InputError:
    """No engine answers, or not to us."""
    lines = said.splitlines() or ["no answer"]
    if "permission denied" in said.lower():
        return InputError(
            f"this user may not talk to the Docker engine: {lines[-1]}",
            "run as root (sudo), or as a member of the group docker",
        )
    host = os.environ.get("DOCKER_HOST")
    remedy = (
        f"DOCKER_HOST is {host}: correct or unset it"
        if host
        else "start it (systemctl start docker), or run ./quickstart"
    )
    return InputError(f"no Docker engine answers: {lines[-1]}", remedy)


def disk(need_gib: float, what: str) -> None:
    """Raise InputError when the engine's directory has less than ``need_gib`` GiB free for ``what``.

    An engine on another machine is not looked into.
    """
    root = engine().root
    if not root.is_dir():
        return
    free = shutil.disk_usage(root).free / GIB
    if free < need_gib:
        raise InputError(
            f"{root} has {free:.1f} GiB free; {what} needs {need_gib:.0f} GiB",
            "free space there, with `docker builder prune` and `docker image prune` for a start; or move the engine's "
            "data to a larger disk (data-root in /etc/docker/daemon.json)",
        )
