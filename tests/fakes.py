"""A host and an engine that record what they are told, and answer what a test says."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stackyard.effects.engine import Engine
from stackyard.effects.host import CAPABILITIES, Host
from stackyard.effects.links import Link
from stackyard.effects.process import Result
from stackyard.effects.routes import Route
from stackyard.errors import CommandError

INFO = {
    "ServerVersion": "20.10.24",
    "DockerRootDir": "/",
    "OSType": "linux",
    "Architecture": "x86_64",
    "KernelVersion": os.uname().release,
    "SecurityOptions": ["name=seccomp,profile=default"],
    "ClientInfo": {"Context": "default"},
}
"""What an engine that a site can run on says of itself."""


class FakeEngine(Engine):
    """Runs nothing: ``calls`` are the arguments of each command, in order.

    ``answers`` are what commands print, or the exit code and what they print, by how they begin.
    """

    client = "docker"  # type: ignore[assignment] - nothing is looked for
    endpoint = "unix:///var/run/docker.sock"  # type: ignore[assignment] - whatever DOCKER_HOST is

    def __init__(self, answers: Mapping[str, str | tuple[int, str]] | None = None) -> None:
        self.answers = {"info": json.dumps(INFO), **(answers or {})}
        self.calls: list[list[str]] = []

    def attempt(
        self,
        *arguments: str,
        timeout: float | None = None,  # noqa: ARG002
        pass_fds: Sequence[int] = (),  # noqa: ARG002
        check: bool = False,
    ) -> Result:
        self.calls.append(list(arguments))
        line = " ".join(arguments)
        found = next((answer for begin, answer in self.answers.items() if line.startswith(begin)), "")
        code, text = found if isinstance(found, tuple) else (0, found)
        if check and code:
            raise CommandError(f"docker {line} exited with {code}")
        return Result(arguments, code, "" if code else text, text if code else "")

    def unread(self, folder: Path) -> str:  # noqa: ARG002
        return ""

    def stream(self, *arguments: str, on_line: Callable[[str], None], **_options: Any) -> int:
        result = self.attempt(*arguments)
        for line in result.stdout.splitlines():
            on_line(line)
        return result.code


@dataclass(frozen=True)
class FakeHost(Host):
    """A host whose ports are free and whose names resolve, unless a test says otherwise."""

    engine: FakeEngine = field(default_factory=FakeEngine)
    state: Path = Path("/nowhere")
    taken: frozenset[int] | None = frozenset()
    """Ports that something has; None: all of them."""
    unknown: frozenset[str] = frozenset()
    """Names that do not resolve."""
    lacks: Mapping[str, Any] = field(default_factory=dict)
    """Answers of it, by the name of the method: what it is short of."""
    made: list[str] = field(default_factory=list)
    """Cgroups that were made and are there."""
    living: dict[str, set[int]] = field(default_factory=dict)
    """Processes in the cgroup of a node, by the node's name on the engine."""
    ended: list[int] = field(default_factory=list)
    """Processes that were ended."""
    units: dict[str, str] = field(default_factory=dict)
    """Units of systemd, by name."""

    wired: list[str] = field(default_factory=list)
    """Interfaces put into bridges, and bridges that lost theirs."""

    def links(self) -> dict[str, Link]:
        return {each.name: each for each in self.lacks.get("links", ())}

    def ports(self, bridge: str) -> tuple[str, ...]:
        return tuple(each.name for each in self.lacks.get("links", ()) if each.master == bridge)

    def is_shut(self, bridge: str) -> bool:  # noqa: ARG002
        return True

    def can_connect(self) -> bool:
        return self.lacks.get("can_connect", True)

    def connect(self, interface: str, bridge: str) -> None:
        self.wired.append(f"{interface} in {bridge}")

    def release(self, bridge: str) -> None:
        self.wired.append(f"release {bridge}")

    def is_root(self) -> bool:
        return True

    def cgroups(self) -> tuple[str, ...]:
        return self.lacks.get("cgroups", ("memory",))

    def existing(self, paths: Any) -> frozenset[str]:
        return frozenset(paths) - self.lacks.get("existing", frozenset())

    def kernel(self) -> str:
        return str(self.lacks.get("kernel", INFO["KernelVersion"]))

    def capabilities(self) -> frozenset[str]:
        return frozenset(CAPABILITIES) - self.lacks.get("capabilities", frozenset())

    def memory(self) -> int:
        return self.lacks.get("memory", 1 << 20)

    def capacity(self) -> tuple[int, int]:
        return self.lacks.get("capacity", (4, 1 << 13))

    def room(self, place: Path) -> int | None:  # noqa: ARG002
        return self.lacks.get("room", 1 << 20)

    def routes(self) -> tuple[Route, ...]:
        return self.lacks.get("routes", ())

    def address(self) -> str:
        return "192.0.2.1"

    def make_cgroup(self, path: Path) -> None:
        self.made.append(str(path))

    def processes(self, cgroups: Any) -> frozenset[int]:
        return frozenset(pid for cgroup in cgroups for pid in self.living.get(cgroup.name, ()))

    def end(self, processes: Any) -> None:
        self.ended.extend(processes)

    def write_unit(self, name: str, text: str) -> bool:
        new = self.units.get(name) != text
        self.units[name] = text
        return new

    def remove_unit(self, name: str) -> None:
        self.units.pop(name, None)

    def remove_cgroup(self, path: Path) -> bool:
        if str(path) in self.made:
            self.made.remove(str(path))
        return True

    def port_is_free(self, address: str, port: int) -> bool:  # noqa: ARG002
        return self.taken is not None and port not in self.taken

    def resolves(self, name: str) -> bool:
        return name not in self.unknown


def inspected(site: str, node: str, container: str, status: str = "running", **changes: Any) -> dict[str, Any]:
    """What `docker container inspect` tells of a container of a site; `node` is the container that is a node."""
    name = f"{site}-{node}" if container == "node" else f"{site}-{node}-{container}"
    labels = {"stackyard.site": site, "stackyard.node": node, "stackyard.container": container}
    times = {"StartedAt": "2026-01-01T00:00:00Z", "FinishedAt": "2026-01-01T00:00:01Z"}
    return {
        "Id": f"id of {name}",
        "Name": f"/{name}",
        "Image": "sha256:1",
        "Config": {"Labels": labels, "Env": []},
        "State": {"Status": status, "ExitCode": 0, "Error": "", **times},
        "RestartCount": 0,
        "HostConfig": {"NetworkMode": "container:x", "PidMode": ""},
        "NetworkSettings": {"Networks": {}},
        **changes,
    }


def showing(*containers: dict[str, Any]) -> dict[str, str | tuple[int, str]]:
    """Answers of an engine that has these containers and one image."""
    return {
        "ps -aq": "\n".join(each["Id"] for each in containers),
        "container inspect": json.dumps(containers),
        "image ls": "toy.test/echo:1 sha256:1 <none>",
        "logs": "a line",
    }
