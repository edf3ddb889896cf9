"""`up` as a list of phases: check, observe, decide, apply, wait; and `up` with nothing to do."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from fakes import FakeEngine, FakeHost, inspected
from resolved_sites import TOY
from stackyard.catalogue import open_site
from stackyard.deploy import probes, wait
from stackyard.deploy import up as up_module
from stackyard.deploy.desired import Desired
from stackyard.deploy.readiness import Readiness
from stackyard.deploy.up import Up
from stackyard.errors import InputError, StackyardError
from stackyard.events import Event
from stackyard.images import digests
from stackyard.model.site import Networks, Publish
from stackyard.plan.decide import LABEL_CONFIG, LABEL_HASH, Target

LOOKS = ({"ps", "info"}, {"inspect", "ls"})
"""First and second word of the commands that change nothing."""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """A host whose engine has the images of the toy site and nothing else; every probe says yes."""
    for module in (wait, probes):
        monkeypatch.setattr(module, "ask", lambda _probe: "")
    images = "\n".join(f"{image} sha256:1 <none>" for image in wanted_of(tmp_path).site.images)
    return FakeHost(FakeEngine({"image ls": images}), tmp_path)


def wanted_of(state: Path) -> Desired:
    return Desired.of(FakeHost(state=state), *open_site("toy", TOY))


def up(host: FakeHost, only: str | None = None) -> Up:
    return Up(host, *open_site("toy", TOY), only)


def changing(host: FakeHost) -> list[list[str]]:
    """The commands that change something."""
    return [call for call in host.engine.calls if call[0] not in LOOKS[0] and call[1] not in LOOKS[1]]


def as_it_should_be(target: Target) -> dict[str, Any]:
    """What the engine tells of a container that `up` has made and that is ready."""
    node = f"toytest-{target.node}"
    there = inspected("toytest", target.node, target.container, "exited" if target.job else "running")
    parts = " ".join(f"{name.replace(' ', '-')}:{value}" for name, value in target.parts.items())
    labels = {LABEL_HASH: target.hash, LABEL_CONFIG: parts}
    there["Config"]["Labels"] |= labels
    mode = f"container:id of {node}" if target.member_of else ""
    there["HostConfig"] = {"NetworkMode": mode, "PidMode": mode if target.shares_pid else ""}
    there["State"]["Health"] = {"Status": "healthy"}
    addresses = {name: {"IPAddress": each, "GlobalIPv6Address": ""} for name, each in target.addresses.items()}
    there["NetworkSettings"] = {"Networks": addresses}
    return there


def show(host: FakeHost, *, listed: bool) -> Desired:
    """Let the engine show the whole site when it is inspected by name, and with ``listed`` as found by its label."""
    wanted = wanted_of(host.state)
    found = [as_it_should_be(target) for target in wanted.bundle.targets]
    host.engine.answers["container inspect"] = json.dumps(found)
    networks = [
        {
            "Name": name,
            "Internal": each.internal,
            "Labels": {"stackyard.site": "toytest"},
            "IPAM": {"Config": [{"Subnet": each.subnet}]},
        }
        for name, each in wanted.site.networks.items()
    ]
    if listed:
        host.engine.answers["ps -aq"] = " ".join(each["Id"] for each in found)
        host.engine.answers["network ls"] = "1 2"
        host.engine.answers["network inspect"] = json.dumps(networks)
    return wanted


def test_from_nothing_to_ready(host: FakeHost) -> None:
    show(host, listed=False)
    events: list[Event] = []
    assert up(host).run(events.append, 60)
    first = [call[0] for call in changing(host)]
    assert first[:2] == ["network", "network"]
    assert set(first[2:]) == {"compose"}
    assert len([each for each in events if each.message == "ready"]) == 2
    record = json.loads((host.state / "sites/toytest/state.json").read_text())
    assert (record["site"], record["release"]) == ("toytest", "1")
    assert (host.state / "sites/toytest/secrets.json").is_file()


def test_with_everything_as_it_should_be_there_is_nothing_to_do(host: FakeHost) -> None:
    wanted = show(host, listed=True)
    wanted.remember()
    wanted.state.write_files(wanted.bundle.files, wanted.state.stale(wanted.bundle.files))
    show(host, listed=True)
    assert up(host).run(pytest.fail) is False
    assert changing(host) == []
    assert not wanted.state.lock.exists()


def test_what_stands_in_the_way_is_told_before_anything_is_touched(host: FakeHost) -> None:
    site, catalogue = open_site("toy", TOY)
    with pytest.raises(InputError, match="images are not there"):
        Up(host, site.model_copy(update={"registry": "yard"}), catalogue).run(pytest.fail)
    with pytest.raises(InputError, match="the site toytest has no node three"):
        up(host, "three").run(pytest.fail)
    assert changing(host) == []
    assert list(host.state.iterdir()) == []


def test_vms_end_only_when_that_was_said(host: FakeHost) -> None:
    wanted = show(host, listed=True)
    wanted.remember()
    wanted.state.write_files(wanted.bundle.files, wanted.state.stale(wanted.bundle.files))
    host.living["toytest-one"] = {7, 8}
    site, catalogue = open_site("toy", TOY)
    moved = site.model_copy(update={"publish": Publish(offset=1)})
    with pytest.raises(InputError) as caught:
        Up(host, moved, catalogue).run(pytest.fail)
    assert caught.value.message == "2 VMs on one would end: the node is made anew (published ports changed)"
    assert "--end-vms" in caught.value.hint
    assert changing(host) == []
    Up(host, moved, catalogue, end_vms=True).run(lambda _event: None, 60)
    assert ["rm", "--force", "toytest-one"] in changing(host)
    assert sorted(host.ended) == [7, 8]


CHANGED = {
    "release": ({"release": "2"}, "release: the site runs with 1, which cannot change to 2 while it runs"),
    "sdn": ({"sdn": "other"}, "sdn: the site runs with plain, which cannot change to other while it runs"),
    "networks": (
        {"networks": Networks(management="172.31.98.0/24", tunnel="172.31.97.0/24")},
        "networks.management: the site runs on 172.31.96.0/24, which cannot change to 172.31.98.0/24 while it runs",
    ),
}


@pytest.mark.parametrize("key", CHANGED)
def test_release_sdn_and_networks_do_not_change_while_the_site_runs(host: FakeHost, key: str) -> None:
    show(host, listed=True).remember()
    site, catalogue = open_site("toy", TOY)
    changes, message = CHANGED[key]
    way = Up(host, site.model_copy(update=changes), catalogue)
    for attempt in (way.plan, lambda: way.run(pytest.fail)):
        with pytest.raises(InputError) as caught:
            attempt()
        assert caught.value.message.endswith(f": {message}")
        assert "stackyard down" in caught.value.hint
    assert changing(host) == []
    host.engine.answers["container inspect"] = host.engine.answers["ps -aq"] = ""
    host.engine.answers["network inspect"] = "[]"
    way.plan()


def test_addresses_are_remembered(host: FakeHost) -> None:
    show(host, listed=False)
    up(host).run(lambda _event: None, 60)
    site, catalogue = open_site("toy", TOY)
    alone = site.model_copy(update={"nodes": dict(reversed(site.nodes.items()))})
    before = {node.name: node.management for node in wanted_of(host.state).site.nodes}
    assert {node.name: node.management for node in Desired.of(host, alone, catalogue).site.nodes} == before


def test_digests_of_the_images_that_are_used_are_recorded(host: FakeHost) -> None:
    """Those of images that were made here meanwhile are forgotten."""
    first, *rest = show(host, listed=False).site.images
    lines = [
        f"{first} sha256:1 sha256:abc",
        *(f"{image} sha256:1 <none>" for image in rest),
        "other/x:1 sha256:1 <none>",
    ]
    host.engine.answers["image ls"] = "\n".join(lines)
    digests.update(host, {rest[0]: "sha256:old", "other/x:1": "sha256:other"})
    assert up(host).run(lambda _event: None, 60)
    assert digests.read(host) == {first: "sha256:abc", "other/x:1": "sha256:other"}


def test_one_node_alone(host: FakeHost) -> None:
    show(host, listed=False)
    assert up(host, "two").run(lambda _event: None, 60)
    projects = {call[2] for call in changing(host) if call[0] == "compose"}
    assert {project.split("-")[1] for project in projects} == {"two"}


def test_the_deadline_counts_from_the_start_of_the_command(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    show(host, listed=False)
    found: list[Readiness] = []
    monkeypatch.setattr(up_module, "until_ready", lambda _engine, readiness, _report: found.append(readiness))
    up(host).run(lambda _event: None, 60, begun=17.0)
    assert (found[0].begun, found[0].deadline) == (17.0, 60)


def test_a_command_that_took_longer_than_its_deadline_gives_up_at_the_first_look(host: FakeHost) -> None:
    with pytest.raises(StackyardError, match="not ready within 60 s"):
        up(host).run(lambda _event: None, 60, begun=time.monotonic() - 61)
