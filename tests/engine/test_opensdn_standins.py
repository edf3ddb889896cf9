"""The stand-ins for OpenSDN's programs, as images: what a site's tests rely on."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from stackyard.effects.engine import Engine
from tool import run
from waiting import NotYet, wait_for

pytestmark = [pytest.mark.engine, pytest.mark.long]

DOCKER = Engine().client
STANDINS = Path(__file__).parents[1] / "opensdn"
PREFIX, TAG = "stand-in.test/opensdn-", "1"


def engine(*arguments: str, check: bool = True) -> str:
    outcome = run(DOCKER, *arguments, check=check, timeout=300)
    return outcome.stdout + outcome.stderr


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("opensdn_build", STANDINS / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def images(builder: ModuleType) -> Iterator[list[str]]:
    """References of all stand-ins."""
    yield builder.build(PREFIX, TAG)
    engine("image", "rm", "--force", *engine("image", "ls", "-q", f"{PREFIX}*").split(), check=False)


def start(name: str, *options: str) -> str:
    """A stand-in with nothing to connect to, as the operator's user and without any privilege; return its container."""
    writable = [f"--tmpfs={path}:uid=1999" for path in ("/etc/contrail", "/etc/dnsmasq", "/var/log/contrail")]
    rights = ["--user=1999:1999", "--cap-drop=ALL", "--env=CONTRAIL_UID=", "--env=CONTRAIL_GID="]
    return engine("run", "--detach", *writable, *rights, *options, f"{PREFIX}{name}:{TAG}").strip()


def test_contrail_api_client_works_against_the_config_api(images: list[str]) -> None:  # noqa: ARG001
    mount = f"--volume={STANDINS / 'conventions.py'}:/conventions.py:ro"
    told = engine("run", "--rm", mount, "--entrypoint=python3", f"{PREFIX}node-init:{TAG}", "/conventions.py")
    assert "the conventions are kept" in told


def test_images_say_that_they_are_stand_ins_and_are_not_made_twice(images: list[str], builder: ModuleType) -> None:
    labels = engine("image", "inspect", "--format", '{{index .Config.Labels "stand-in"}} {{.Id}}', *images)
    assert {line.split()[0] for line in labels.splitlines()} == {"true"}
    assert builder.build(PREFIX, TAG) == images
    assert engine("image", "inspect", "--format", '{{index .Config.Labels "stand-in"}} {{.Id}}', *images) == labels
    told = engine("run", "--rm", f"{PREFIX}node-init:{TAG}")
    assert told.startswith("stand-in for OpenSDN's node-init")


def test_a_program_whose_servers_are_missing_runs_and_names_them(images: list[str]) -> None:  # noqa: ARG001
    container = start("controller-control-control", "--env=CONTROLLER_NODES=127.0.0.1")
    try:

        def told() -> str:
            url = "http://127.0.0.1:8083/Snh_SandeshUVECacheReq?x=NodeStatus"
            ask = f"import urllib.request as r; print(r.urlopen('{url}').read().decode())"
            answer = engine("exec", container, "python3", "-c", ask, check=False)
            if "Initializing" in answer or "<NodeStatus>" not in answer:
                raise NotYet(answer)
            return answer

        answer = wait_for("NodeStatus", told, 60)
        down = "Database:Cassandra, Database:RabbitMQ, Collector connection down, No BGP configuration for self"
        assert f">{down}</description>" in answer
        assert ">Non-Functional</state>" in answer
    finally:
        engine("rm", "--force", container)


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("vrouter-agent", ["--env=PHYSICAL_INTERFACE=nothing0"], "phys nic or mac is empty: phys_int='nothing0'"),
        ("controller-config-dnsmasq", ["--env=CONFIG_NODES=192.0.2.1"], "Cannot find self ips"),
        ("openstack-neutron-init", [], "OPENSTACK_VERSION is required"),
        ("controller-control-control", ["--env=CONTRAIL_UID=1999", "--env=CONTRAIL_GID=1999"], "not permitted"),
        ("controller-control-control", ["--env=CONTROL__DEFAULT__hostname=x"], "cannot be specified more than once"),
    ],
)
def test_what_upstreams_image_does_not_survive_ends_a_stand_in(
    images: list[str],  # noqa: ARG001
    name: str,
    options: list[str],
    text: str,
) -> None:
    container = start(name, "--tmpfs=/var/lib/contrail:uid=1999", *options)
    try:
        assert engine("wait", container).strip() != "0"
        assert text in engine("logs", container)
    finally:
        engine("rm", "--force", container)


def test_init_images_copy_the_plugins_as_upstreams(images: list[str]) -> None:  # noqa: ARG001
    look = "/entrypoint.sh >/dev/null && cd /opt/plugin && find . -maxdepth 2 | sort"
    shell = ["--entrypoint=/bin/sh", "--env=OPENSTACK_VERSION=2026.2"]
    told = engine("run", "--rm", *shell, f"{PREFIX}openstack-neutron-init:{TAG}", "-c", look)
    assert {"./site-packages/neutron_plugin_contrail", "./site-packages/vnc_api"} <= set(told.split())
    told = engine("run", "--rm", *shell, f"{PREFIX}openstack-compute-init:{TAG}", "-c", look)
    assert {"./bin/vrouter-port-control", "./site-packages/vif_plug_vrouter"} <= set(told.split())
