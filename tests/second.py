"""A second engine, in a container, with a site whose images it has not."""

import json
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from registry import registry
from stackyard.effects.engine import Engine
from tool import PROGRAM, ROOT, Outcome, Tool, run
from toy import TOY
from waiting import NotYet, wait_for

DOCKER = Engine().client

SMALL = Path(__file__).parent / "unit" / "images" / "catalogue"
NAME = "stackyard-test-second"
HOST = "stackyard-test:host"
SITE = {"site": "pulltest", "networks": {"management": "172.31.98.0/24", "tunnel": "172.31.99.0/24"}}
ALLOWED = [
    *("--cap-add=ALL", "--cap-drop=SYS_RESOURCE", "--device-cgroup-rule=a *:* rwm"),
    *(f"--security-opt={each}=unconfined" for each in ("seccomp", "apparmor", "systempaths")),
    *("--volume=/sys/fs/cgroup:/sys/fs/cgroup", "--volume=/var/lib/docker", "--sysctl=net.ipv4.ip_forward=1"),
]
"""What an engine in a container needs."""


@dataclass(frozen=True)
class Second:
    """A host in a container, with an engine of its own and the registry that both engines know by one name."""

    folder: Path
    registry: str

    @property
    def site(self) -> Path:
        return self.folder / "catalogue/sites/toy.yaml"

    @property
    def echo(self) -> str:
        return f"{self.registry}/yard/echo:1"

    def sh(self, *command: str, check: bool = True) -> Outcome:
        """Run a command on the second host."""
        env = ("--env", f"STACKYARD_CATALOGUE={self.folder / 'catalogue'}")
        return run(DOCKER, "exec", *env, NAME, *command, check=check, timeout=300)

    def up(self, *arguments: str, check: bool = True) -> Outcome:
        return self.sh(str(PROGRAM), "up", "--site", str(self.site), *arguments, check=check)

    def first(self, *arguments: str, check: bool = True) -> Outcome:
        """Run a command of the tool on the first host, with the same catalogue."""
        return Tool()(*arguments, check=check, **self.env)

    @property
    def env(self) -> dict[str, str]:
        """Surroundings of a command on the first host."""
        return {"STACKYARD_CATALOGUE": str(self.folder / "catalogue"), "STACKYARD_STATE": str(self.folder / "state")}

    def build(self, *arguments: str) -> Outcome:
        """Build the images on the first engine, as the catalogue is now."""
        names = [word for name in ("echo", "late", "node") for word in ("-c", name)]
        return self.first("build", "--site", str(self.site), "--output", "json", *names, *arguments)

    def push(self) -> dict[str, str]:
        """Build and push them."""
        pushed: dict[str, str] = self.build("--push").json["pushed"]
        return pushed

    @property
    def recorded(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.sh("cat", "/var/lib/stackyard/digests.json").stdout)
        return found

    def names(self) -> set[str]:
        """All images that the second engine has."""
        return set(self.sh("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}").stdout.split())


def host_image(folder: Path) -> None:
    """An image that has nothing but links: what a host needs is mounted into it."""
    for name in ("etc", "proc", "sys", "tmp", "var/lib", "run"):
        (folder / name).mkdir(parents=True)
    (folder / "var/run").symlink_to("/run")
    (folder / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (folder / "etc/group").write_text("root:x:0:\n")
    for link in (path for path in Path("/").iterdir() if path.is_symlink() and path.resolve().is_relative_to("/usr")):
        (folder / link.name).symlink_to(str(link.resolve()).lstrip("/"))
    run("sh", "-c", f"tar -c -C {folder} . | {DOCKER} import - {HOST}")


@contextmanager
def second_engine(folder: Path) -> Iterator[Second]:
    """The engine, as long as the block; the catalogue and its site are in the folder, which both hosts have."""
    shutil.copytree(TOY / "catalogue", folder / "catalogue")
    # The toy's images are built for once.
    shutil.copytree(SMALL / "releases/1/python", folder / "catalogue/releases/1/python", dirs_exist_ok=True)
    shutil.copy(SMALL / "releases/1/base.yaml", folder / "catalogue/releases/1")
    host_image(folder / "host")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    made = Second(folder, f"localhost:{port}")
    site = yaml.safe_load(made.site.read_text())
    made.site.write_text(yaml.safe_dump({**site, **SITE, "registry": f"{made.registry}/yard"}, sort_keys=False))
    mounts = {"/usr", "/etc/alternatives", str(ROOT), sys.prefix, sys.base_prefix}
    options = [*ALLOWED, f"--volume={folder}:{folder}", *(f"--volume={each}:{each}:ro" for each in sorted(mounts))]
    run(DOCKER, "rm", "--force", "--volumes", NAME, check=False)
    program = f"dockerd >{folder}/dockerd.log 2>&1 & exec {' '.join(registry(folder, f':{port}'))} >/dev/null 2>&1"
    options += ["--name", NAME, "--publish", f"127.0.0.1:{port}:{port}", "--env", "PATH"]
    try:
        run(DOCKER, "run", "--detach", *options, HOST, "/bin/sh", "-c", program)
        wait_for("the second engine", lambda: answers(made), 60)
        yield made
    finally:
        run(DOCKER, "rm", "--force", "--volumes", NAME, check=False)
        names = run(DOCKER, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", f"{made.registry}/yard/*").stdout
        run(DOCKER, "image", "rm", "--force", HOST, *names.split(), check=False)


def answers(second: Second) -> None:
    """The engine does; its log tells why not."""
    if second.sh("docker", "info", check=False).code:
        raise NotYet((second.folder / "dockerd.log").read_text()[-2000:])
