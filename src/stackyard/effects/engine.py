"""A Docker engine, as everything else talks to it: its client, what it tells, commands to it."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from stackyard.effects.process import Result, run
from stackyard.effects.stream import reading, stream, writing
from stackyard.errors import CommandError, InputError, TimedOutError

PATIENCE = 30
"""Seconds that the engine has for an answer."""
INFO_PATIENCE = 15
"""Seconds that it has to say what it is."""
PLUGINS = ("buildx", "compose")
"""What a docker client needs beyond itself."""
USUAL = "/usr/bin"
"""Where a docker client is looked for when none on PATH will do."""
USUAL_SOCKET = "unix:///var/run/docker.sock"
_MISFIT = re.compile(r"client version \S+ is too (new|old)\. (Maximum|Minimum) supported API version is [\d.]+")
"""How an engine says that a client speaks another version of its API than it does."""


@dataclass(frozen=True)
class Info:
    """What an engine says about itself.

    ``root`` is the directory that its images and containers are in, ``platform`` what it is for, as ``linux/x86_64``,
    ``options`` are names of its security options, ``context`` is how its client calls it.
    """

    version: str
    root: Path
    platform: str
    kernel: str
    options: frozenset[str]
    context: str


class Engine:
    """One Docker engine. Methods take the arguments of ``docker``, without the word itself.

    An engine of another machine is one whose ``client`` and ``attempt`` reach it there.
    """

    @cached_property
    def client(self) -> str:
        """Path of a docker client that has all plugins. Raises InputError when there is none."""
        return _client()

    @cached_property
    def info(self) -> Info:
        """The engine, reachable. Raises InputError, with the remedy, when it is not."""
        try:
            asked = self.attempt("info", "--format", "{{json .}}", timeout=INFO_PATIENCE)
        except TimedOutError:
            raise _unreachable(f"nothing is heard from it for {INFO_PATIENCE} s") from None
        try:
            answer = json.loads(asked.stdout)
        except ValueError:
            answer = {}
        problems = answer.get("ServerErrors") or []
        if asked.code or problems or not answer.get("ServerVersion"):
            context = (answer.get("ClientInfo") or {}).get("Context", "")
            raise _unreachable("; ".join(problems) or asked.stderr.strip(), context)
        options = (option.partition(",")[0] for option in answer.get("SecurityOptions") or ())
        return Info(
            version=answer["ServerVersion"],
            root=Path(answer["DockerRootDir"]),
            platform=f"{answer['OSType']}/{answer['Architecture']}",
            kernel=answer["KernelVersion"],
            options=frozenset(option.removeprefix("name=") for option in options),
            context=answer["ClientInfo"]["Context"],
        )

    @property
    def endpoint(self) -> str:
        """How the client reaches it, such as ``unix:///var/run/docker.sock``."""
        context = self.info.context
        if context == "default":
            return os.environ.get("DOCKER_HOST") or USUAL_SOCKET
        return self.ask("context", "inspect", "--format", "{{.Endpoints.docker.Host}}", context).strip()

    def unread(self, folder: Path) -> str:
        """What the client says of a file below ``folder`` that it cannot read; empty when it can.

        Asked of compose, whose own version may be too new for the engine: then the engine is asked as well.
        Raises InputError. Nothing is found out where we may not write.
        """
        try:
            while not folder.exists():
                folder = folder.parent
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".stackyard-", suffix=".yml") as file:
                file.write(b"services: {none: {image: none}}\n")
                file.flush()
                asked = self.attempt("compose", "-p", "stackyard-none", "-f", file.name, "ps", "-q", timeout=PATIENCE)
        except OSError:
            return ""
        if asked.code and _MISFIT.search(asked.stderr):
            raise _unreachable(asked.stderr)
        return asked.stderr.strip() if asked.code and file.name in asked.stderr else ""

    def attempt(
        self, *arguments: str, timeout: float | None = None, pass_fds: Sequence[int] = (), check: bool = False
    ) -> Result:
        """Run a command to its end, whatever its exit code. All but methods that stream go through it.

        Raises TimedOutError, and with ``check`` CommandError when it fails.
        """
        return run([self.client, *arguments], check=check, timeout=timeout, pass_fds=pass_fds)

    def run(self, *arguments: str, pass_fds: Sequence[int] = ()) -> Result:
        """Run a command that changes something. Raises CommandError when it fails."""
        return self.attempt(*arguments, pass_fds=pass_fds, check=True)

    def look(self, *arguments: str) -> Result:
        """Run a command that only looks, whatever its exit code. Raises InputError when there is no engine."""
        try:
            return self.attempt(*arguments, timeout=PATIENCE)
        except TimedOutError:
            self.info  # noqa: B018 - says what is wrong when there is none
            raise

    def ask(self, *arguments: str) -> str:
        """Output of a command that only looks. Raises InputError when there is no engine, CommandError."""
        result = self.look(*arguments)
        if result.code:
            self.info  # noqa: B018 - says what is wrong when there is none
            raise CommandError(f"docker {' '.join(arguments)} exited with {result.code}:\n{result.stderr.strip()}")
        return result.stdout

    def stream(
        self,
        *arguments: str,
        on_line: Callable[[str], None],
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> int:
        """Run a command, hand on each line of its output and errors, and return its exit code."""
        return stream([self.client, *arguments], on_line, cwd=cwd, env=env)

    def reading(self, *arguments: str, pass_fds: Sequence[int] = ()) -> AbstractContextManager[IO[bytes]]:
        """Run a command; what it prints, as bytes, in a ``with``. Raises CommandError there when it fails."""
        return reading([self.client, *arguments], pass_fds=pass_fds)

    def writing(self, *arguments: str, pass_fds: Sequence[int] = ()) -> AbstractContextManager[IO[bytes]]:
        """Run a command; what it reads, as bytes, in a ``with``. Raises CommandError there when it fails."""
        return writing([self.client, *arguments], pass_fds=pass_fds)

    def inspect(self, kind: str, names: Iterable[str]) -> list[dict[str, Any]]:
        """What the engine knows of those containers, networks or images that it has."""
        names = list(names)
        data: list[dict[str, Any]] = json.loads(self.attempt(kind, "inspect", *names).stdout or "[]") if names else []
        return data

    def publishers(self, port: int) -> list[str]:
        """Names of the containers that publish a port of the host."""
        return self.ask("ps", "--filter", f"publish={port}", "--format", "{{.Names}}").split()

    def logs(self, name: str, lines: int) -> list[str]:
        """The last lines that a container wrote."""
        result = self.attempt("logs", "--tail", str(lines), name)
        return [line for line in (result.stdout + result.stderr).splitlines() if line.strip()][-lines:]

    def exec(self, name: str, *command: str, timeout: float) -> Result:
        """Run a command in a container, whatever its exit code. Raises CommandError when it takes too long."""
        return self.attempt("exec", name, *command, timeout=timeout)


def _unreachable(said: str, context: str = "") -> InputError:
    """No engine answers, or not to us; ``context`` is the client's."""
    lines = said.splitlines() or ["no answer"]
    if "permission denied" in said.lower():
        return InputError(
            f"this user may not talk to the Docker engine: {lines[-1]}",
            "run as root (sudo), or as a member of the group docker",
        )
    if misfit := _MISFIT.search(said):
        said = f"client and engine do not fit: {misfit[0]}"
        if asked := os.environ.get("DOCKER_API_VERSION"):
            return InputError(said, f"DOCKER_API_VERSION is {asked}: unset it")
        remedies = {
            "new": "install a later engine (docker.io), or an earlier client and plugins",
            "old": "install a later docker client",
        }
        return InputError(said, remedies[misfit[1]])
    remedy = "start it (systemctl start docker), or run ./quickstart"
    if host := os.environ.get("DOCKER_HOST"):
        remedy = f"DOCKER_HOST is {host}: correct or unset it"
    elif context not in {"", "default"}:
        remedy = f"the docker client asks the context {context}: correct it, or `docker context use default`"
    return InputError(f"no Docker engine answers: {lines[-1]}", remedy)


def _lacks(path: str) -> list[str]:
    """The plugins that a docker client does not have, of those that are needed."""
    with ThreadPoolExecutor(len(PLUGINS)) as pool:
        codes = pool.map(lambda plugin: run([path, plugin, "version"], check=False).code, PLUGINS)
        return [plugin for plugin, code in zip(PLUGINS, codes, strict=True) if code]


def _client() -> str:
    """Path of a docker client that has both the buildx and the compose plugin.

    The first on PATH is not always one of them, so each is asked.
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
