"""After the engine died or was stopped, `up` brings the site back with its data."""

import os
import shlex
import signal
from pathlib import Path

import pytest

from demo import failed
from guest import last_heartbeat, virtual_machines
from stackyard.deploy import boot
from tool import ROOT, run
from waiting import NotYet, wait_for

pytestmark = [pytest.mark.cloud, pytest.mark.long]

PID_FILE = Path("/var/run/docker.pid")


def end_engine(how: signal.Signals) -> None:
    """Send a signal to dockerd and wait until its process is gone."""
    pid = int(PID_FILE.read_text(encoding="utf-8"))
    assert Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip() == "dockerd"
    os.kill(pid, how)

    def probe() -> None:
        state = Path(f"/proc/{pid}/stat")
        if state.exists() and state.read_text(encoding="utf-8").split()[2] != "Z":
            raise NotYet(f"process {pid} is there")

    wait_for("dockerd to end", probe, 120)


def start_engine() -> None:
    """Start it the way ./quickstart and ./test do."""
    run("bash", "-c", f"set -euo pipefail; . {ROOT}/tools/setup.sh; engine_answers || start_engine", timeout=300)


@pytest.fixture
def belongings(site):
    """A user and an image with content, made before."""
    user = site.cloud.identity.create_user(name="before", password="irrelevant-1")  # noqa: S106
    image = site.cloud.image.create_image(
        name="before", data=b"content" * 1000, disk_format="raw", container_format="bare", wait=True
    )
    yield user.id, image.id
    site.cloud.identity.delete_user(user.id, ignore_missing=True)
    site.cloud.image.delete_image(image.id, ignore_missing=True)


def end_machine() -> None:
    """What a reboot does to what runs: the engine ends with all containers, and no cgroup of a node is left."""
    end_engine(signal.SIGTERM)
    wait_for("every VM to end", lambda: virtual_machines() and not_yet("VMs run"), 60)
    for folder in sorted(Path("/sys/fs/cgroup").glob("**/stackyard/**/"), key=lambda each: -len(each.parts)):
        folder.rmdir()


def not_yet(seen: str) -> None:
    raise NotYet(seen)


def test_after_a_reboot_the_unit_brings_everything_back(site):
    """The unit that `up` writes where systemd is: what it runs is run here, VMs that ran run again."""
    site.verify("--keep")
    servers = [server.id for server in site.cloud.compute.servers(all_projects=True)]
    assert len(servers) == len(virtual_machines()) == 2
    end_machine()
    start_engine()
    (command,) = [
        line.partition("=")[2] for line in boot.unit("demo", "demo", None).splitlines() if line.startswith("ExecStart=")
    ]
    run(*shlex.split(command), timeout=600)
    for server in servers:
        last_heartbeat(site, server)
        assert site.cloud.compute.get_server(server).status == "ACTIVE"
    assert len(virtual_machines()) == 2
    assert failed(site.verify()) == []


@pytest.mark.full
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_site_comes_back_with_its_data(site, belongings, how):
    user, image = belongings
    end_engine(how)
    start_engine()
    site.up()
    assert site.cloud.identity.get_user(user).name == "before"
    assert site.cloud.image.download_image(image).content == b"content" * 1000
    assert failed(site.verify()) == []
