"""The demo site: its containers as the engine sees them, its API as a user sees it."""

import json
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import openstack
from openstack.connection import Connection

from stackyard.effects.engine import Engine
from tool import STATE, Outcome, Tool, run

DOCKER = Engine().client

NAME = "demo"
COMPUTES = ("compute1", "compute2")
ENCAPSULATION = "vxlan"

BUILD_SECONDS = 1800
UP_SECONDS = 600
VERIFY_SECONDS = 600

OWN = re.compile(rf"{NAME}[-_](controller|compute\d+|management|tunnel|public|node)([-_]|$)")
EXPORT = re.compile(r"^export (OS_\w+)=(.*)$", re.MULTILINE)


def engine(*arguments: str, check: bool = True, timeout: float = 120) -> Outcome:
    """Run the Docker client."""
    return run(DOCKER, *arguments, check=check, timeout=timeout)


def named(kind: str) -> list[str]:
    """Return the site's containers, volumes or networks, whatever made them."""
    listing = {
        "container": ["ps", "--all", "--format", "{{.Names}}"],
        "volume": ["volume", "ls", "--format", "{{.Name}}"],
        "network": ["network", "ls", "--format", "{{.Name}}"],
    }[kind]
    return [name for name in engine(*listing).stdout.split() if OWN.match(name)]


class Site:
    """The running demo site."""

    def __init__(self, stackyard: Tool) -> None:
        self.stackyard = stackyard
        self.built: Outcome | None = None
        self.came_up: Outcome | None = None
        self.restarted: dict[str, int] = {}
        """Containers whose process ended while the site came up from nothing, with how often."""
        self.file = NAME
        """Site file, or name, that says what it is now."""

    def remove(self) -> None:
        """Remove the site with its data, even one that another version left and that this one cannot read."""
        self.stackyard("down", "--volumes", check=False)
        for kind, verb in (("container", ["rm", "--force", "--volumes"]), ("volume", ["volume", "rm", "--force"])):
            if names := named(kind):
                engine(*verb, *names)
        if names := named("network"):
            engine("network", "rm", *names)
        shutil.rmtree(STATE / "sites" / NAME, ignore_errors=True)

    def build(self) -> Outcome:
        """Build what is not built."""
        self.built = self.stackyard("build", "--output", "json", timeout=BUILD_SECONDS)
        return self.built

    def up(self) -> Outcome:
        """Bring it up."""
        self.came_up = self.stackyard("up", "--output", "json", timeout=UP_SECONDS)
        return self.came_up

    def verify(self, *arguments: str, check: bool = True) -> Outcome:
        """Prove it."""
        return self.stackyard("verify", "--output", "json", *arguments, check=check, timeout=VERIFY_SECONDS)

    def containers(self) -> dict[str, str]:
        """Name -> id and start time of every running container: what changes when one is touched."""
        ids = engine("ps", "--quiet", "--no-trunc", "--filter", f"label=stackyard.site={NAME}").stdout.split()
        if not ids:
            return {}
        known = json.loads(engine("inspect", *ids).stdout)
        return {one["Name"].lstrip("/"): f"{one['Id']} {one['State']['StartedAt']}" for one in known}

    def restarts(self) -> dict[str, int]:
        """Name -> how often the engine has started it again, those alone that it has."""
        told = json.loads(engine("inspect", *self.containers()).stdout)
        return {one["Name"].lstrip("/"): one["RestartCount"] for one in told if one["RestartCount"]}

    def container(self, node: str, container: str) -> str:
        """Name of a container of a node, as the engine has it."""
        return f"{NAME}-{node}-{container}"

    def inside(self, node: str, container: str, *command: str, check: bool = True) -> Outcome:
        """Run a command in a container."""
        return engine("exec", self.container(node, container), *command, check=check)

    def log(self, node: str, container: str) -> str:
        """What a container says, the last time that it runs or ran."""
        name = self.container(node, container)
        started = json.loads(engine("inspect", name).stdout)[0]["State"]["StartedAt"]
        told = engine("logs", "--since", started, name)
        return told.stdout + told.stderr

    @property
    def credentials(self) -> Mapping[str, str]:
        """The variables that `stackyard env` exports."""
        printed = self.stackyard("env", "--site", self.file).stdout
        return {name: "".join(shlex.split(value)) for name, value in EXPORT.findall(printed)}

    @property
    def cloud(self) -> Connection:
        """A new connection to the API, as the administrator."""
        names = ("auth_url", "username", "password", "project_name", "user_domain_name", "project_domain_name")
        given = self.credentials
        auth = {name: given[f"OS_{name.upper()}"] for name in names}
        return openstack.connect(
            auth=auth, region_name=given.get("OS_REGION_NAME"), load_yaml_config=False, load_envvars=False
        )


def checks(outcome: Outcome) -> dict[str, dict[str, Any]]:
    """Return the checks of a proof by name."""
    return {check["name"]: check for check in outcome.json["checks"]}


def failed(outcome: Outcome) -> list[str]:
    """Return the names of the checks that failed."""
    return [name for name, check in checks(outcome).items() if not check["ok"]]


def tree(root: Path) -> Iterator[tuple[str, int, int]]:
    """Yield path, size and time of every file below a directory."""
    for path in sorted(root.rglob("*")) if root.exists() else ():
        if path.is_file():
            yield str(path), path.stat().st_size, path.stat().st_mtime_ns
