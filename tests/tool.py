"""The command line of Stackyard, called as a user calls it: in a process of its own."""

import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = Path(sys.executable).with_name("stackyard")
ROOT = Path(__file__).parents[1]
STATE = Path(os.environ.get("STACKYARD_STATE", "/var/lib/stackyard"))


@dataclass(frozen=True)
class Outcome:
    """What a command left."""

    command: tuple[str, ...]
    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.stdout)

    def __str__(self) -> str:
        return f"{shlex.join(self.command)} exited with {self.code}\n{self.stdout}\n{self.stderr}"


def run(*command: str, check: bool = True, timeout: float = 120, cwd: Path | None = None, **env: str) -> Outcome:
    """Run a command; with `check`, it must exit 0."""
    done = subprocess.run(
        command,
        env={**os.environ, **env},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
    )
    outcome = Outcome(command, done.returncode, done.stdout, done.stderr)
    assert outcome.code == 0 or not check, str(outcome)
    return outcome


class Tool:
    """`stackyard` as a function."""

    def __call__(self, *arguments: str, check: bool = True, timeout: float = 600, **env: str) -> Outcome:
        """Run `stackyard ARGUMENTS`; with `check`, it must exit 0."""
        return run(str(PROGRAM), *arguments, check=check, timeout=timeout, **env)

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[bytes]:
        """Start `stackyard ARGUMENTS` in a process group of its own and return at once."""
        return subprocess.Popen(
            [str(PROGRAM), *arguments],
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
