"""What `up` does to the engine, in which order: commands are values, recorded by an engine that runs nothing."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from fakes import FakeEngine, FakeHost
from resolved_sites import FACTS, TOY, counted, resolved
from stackyard.deploy.apply import Executor
from stackyard.deploy.desired import Desired
from stackyard.errors import StackyardError
from stackyard.events import Event
from stackyard.plan.decide import NetworkStep, Plan, Port, Step, Verb
from stackyard.plan.resolved import EngineNetwork

SITE = resolved("toy", TOY)
PLACES = {each.full_name: (each.node, each.definition.project, each.name) for each in SITE.containers} | {
    SITE.node_container(node.name): (node.name, "node", "node") for node in SITE.nodes
}


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(state=tmp_path)


def step(verb: Verb, name: str, why: str = "not there") -> Step:
    """A step for a container of the toy site, or for one that it has no more."""
    node, directory, container = PLACES.get(name, ("one", "", name))
    return Step(verb, name, node, directory, container, (why,), is_node=container == "node")


def applied(
    host: FakeHost,
    *steps: Step,
    networks: Sequence[NetworkStep] = (),
    files: Sequence[str] = (),
    ports: Sequence[Port] = (),
) -> list[str]:
    """Everything that was told, as `kind subject: message`."""
    events: list[Event] = []
    wanted = Desired(host, SITE, FACTS, counted())
    Executor(wanted, 9, events.append).apply(Plan(tuple(networks), steps, tuple(files), ports=tuple(ports)))
    return [f"{event.kind} {event.subject}: {event.message}" for event in events]


def said(host: FakeHost) -> list[str]:
    """Commands in order; of compose, its project and the containers that it starts."""
    up = "up --detach --no-deps --no-recreate --pull never "
    lines = [" ".join(call) for call in host.engine.calls]
    return [f"{line.split()[2]} {line.partition(up)[2]}" if line.startswith("compose") else line for line in lines]


def test_nodes_are_made_before_what_is_in_them(host: FakeHost) -> None:
    told = applied(
        host, step("create", "toytest-one-echo"), step("create", "toytest-two"), step("create", "toytest-one")
    )
    made = said(host)
    assert sorted(made[:2]) == ["toytest-one-node node", "toytest-two-node node"]
    assert made[2:] == ["toytest-one-front echo"]
    assert told == [
        "started two: create: not there",
        "started one: create: not there",
        "done two: runs",
        "done one: runs",
        "started one/echo: create: not there",
    ]


def test_compose_is_called_once_for_a_directory_with_its_containers_named(host: FakeHost) -> None:
    steps = [step("create", name) for name in ("toytest-one-echo", "toytest-two-late", "toytest-one-set-up")]
    applied(host, *steps)
    assert sorted(said(host)) == sorted(
        f"toytest-{node}-{directory} {container}"
        for node, directory, container in (PLACES[each.name] for each in steps)
    )
    folder = str(host.state / "sites/toytest/nodes/one/front")
    (call,) = [call for call in host.engine.calls if folder in call]
    assert call == [
        *("compose", "-p", "toytest-one-front", "--project-directory", folder, "-f", f"{folder}/docker-compose.yml"),
        *("up", "--detach", "--no-deps", "--no-recreate", "--pull", "never", "echo"),
    ]


def test_what_is_made_anew_is_removed_first_and_members_before_their_nodes(host: FakeHost) -> None:
    applied(
        host, step("recreate", "toytest-one"), step("recreate", "toytest-one-echo"), step("recreate", "toytest-two")
    )
    done = said(host)
    assert done[:4] == [
        "stop toytest-one-echo",
        "rm --force toytest-one-echo",
        "stop toytest-one toytest-two",
        "rm --force toytest-one toytest-two",
    ]
    assert sorted(done[4:6]) == ["toytest-one-node node", "toytest-two-node node"]
    assert done[6:] == ["toytest-one-front echo"]


def test_what_is_not_wanted_any_more_is_removed_and_told(host: FakeHost) -> None:
    assert applied(host, step("remove", "toytest-one-old", "not in the site any more")) == [
        "done one/toytest-one-old: removed: not in the site any more"
    ]
    assert said(host) == ["stop toytest-one-old", "rm --force toytest-one-old"]


def test_a_restart_is_one_command_nodes_before_what_is_in_them(host: FakeHost) -> None:
    told = applied(
        host,
        step("restart", "toytest-one-echo", "its network is gone"),
        step("restart", "toytest-one", "it is paused"),
        step("restart", "toytest-two-late", "it is paused"),
    )
    assert said(host) == ["restart toytest-one", "restart toytest-one-echo toytest-two-late"]
    assert told[:2] == ["started one: restart: it is paused", "done one: runs"]


def test_a_network_at_an_interface_has_no_address_of_the_host(host: FakeHost) -> None:
    name, wanted = "toytest-public", EngineNetwork("169.254.7.0/24", interface="eth1")
    made = {"Name": name, "Id": "7" * 64, "Options": None, "Labels": None, "IPAM": {"Config": []}}
    host.engine.answers |= {"network ls": "7", "network inspect": json.dumps([made])}
    ports = [Port("disconnect", name, "eth0", "br-old"), Port("connect", name, "eth1")]
    told = applied(host, networks=[NetworkStep("recreate", name, wanted)], ports=ports)
    options = "--opt com.docker.network.bridge.inhibit_ipv4=true"
    options += " --opt com.docker.network.bridge.enable_ip_masquerade=false"
    assert [each for each in said(host) if not each.startswith(("network ls", "network inspect"))] == [
        f"network rm {name}",
        f"network create --driver bridge --subnet 169.254.7.0/24 {options} --label stackyard.site=toytest {name}",
    ]
    assert host.wired == ["release br-old", f"eth1 in br-{'7' * 12}"]
    assert told == [f"done {name}: disconnect eth0", f"done {name}: connect eth1"]


def test_the_host_has_the_address_that_is_said(host: FakeHost) -> None:
    wanted = EngineNetwork("203.0.113.0/24", gateway="203.0.113.254")
    applied(host, networks=[NetworkStep("create", "toytest-public", wanted)])
    assert "--gateway 203.0.113.254" in said(host)[0]


def test_networks_are_made_after_what_hangs_on_the_old_ones_and_before_the_nodes(host: FakeHost) -> None:
    networks = [
        NetworkStep("recreate", "toytest-management", EngineNetwork("172.31.96.0/24")),
        NetworkStep("create", "toytest-tunnel", EngineNetwork("172.31.97.0/24", internal=True)),
        NetworkStep("unchanged", "toytest-other", EngineNetwork("172.31.98.0/24")),
    ]
    applied(host, step("recreate", "toytest-one"), networks=networks)
    label = "--label stackyard.site=toytest"
    mtu = "--opt com.docker.network.driver.mtu=1500"
    assert said(host) == [
        "stop toytest-one",
        "rm --force toytest-one",
        "network rm toytest-management",
        f"network create --driver bridge --subnet 172.31.96.0/24 {label} toytest-management",
        f"network create --driver bridge --subnet 172.31.97.0/24 --internal {mtu} {label} toytest-tunnel",
        "toytest-one-node node",
    ]


def test_files_and_cgroups_are_there_before_compose_is_called(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    file = "two/late/docker-compose.yml"
    seen: list[object] = []

    def attempt(*_arguments: str, **_options: object) -> object:
        seen.append(((host.state / "sites/toytest/nodes" / file).is_file(), sorted(host.made)))
        return FakeEngine().attempt("ok")

    monkeypatch.setattr(host.engine, "attempt", attempt)
    applied(host, step("create", "toytest-two-late"), files=[file])
    cgroups = [f"/sys/fs/cgroup/{name}/stackyard/toytest-two" for name in FACTS.cgroups]
    assert seen == [(True, cgroups)]


def test_nothing_to_do_is_no_command(host: FakeHost) -> None:
    assert applied(host, step("unchanged", "toytest-one"), step("unchanged", "toytest-one-echo")) == []
    assert said(host) == []


def test_a_compose_that_fails_lets_the_others_end_and_is_told_with_its_errors(host: FakeHost) -> None:
    words = "pulling\nError response from daemon: no such device\nmore"
    host.engine.answers = {"compose -p toytest-one-front": (1, words), "compose -p toytest-two-late": (17, "odd\nend")}
    names = [name for name, (_node, directory, _container) in PLACES.items() if directory != "node"]
    with pytest.raises(StackyardError) as caught:
        applied(host, *(step("create", name) for name in names))
    assert sorted(caught.value.message.split("\n")) == sorted(
        [
            "front on one: docker compose exited with 1:",
            "Error response from daemon: no such device",
            "late on two: docker compose exited with 17:",
            "odd",
            "end",
        ]
    )
    assert caught.value.hint == "the engine says why; without that cause, `stackyard up` goes on from there"
    assert len(said(host)) == len({PLACES[name][:2] for name in names})


def test_nodes_that_fail_leave_the_rest_alone(host: FakeHost) -> None:
    host.engine.answers = {"compose -p toytest-one-node": (1, "Error: port is taken")}
    with pytest.raises(StackyardError, match="node on one: docker compose exited with 1:\nError: port is taken"):
        applied(host, step("create", "toytest-one"), step("create", "toytest-one-echo"))
    assert said(host) == ["toytest-one-node node"]


def test_commands_that_change_something_hold_the_lock(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[object] = []

    def attempt(*_arguments: str, pass_fds: Sequence[int] = (), **_options: object) -> object:
        held.append(tuple(pass_fds))
        return FakeEngine().attempt("ok")

    monkeypatch.setattr(host.engine, "attempt", attempt)
    applied(host, step("recreate", "toytest-one"), step("restart", "toytest-one-echo"))
    assert held == [(9,)] * 4


def test_a_node_that_is_gone_leaves_its_data_only(host: FakeHost) -> None:
    host.made.extend(["/sys/fs/cgroup/memory/stackyard/toytest-three", "/sys/fs/cgroup/memory/stackyard/toytest-two"])
    gone = Step("remove", "toytest-three", "three", "", "node", ("not in the site any more",), is_node=True)
    told = applied(host, gone)
    assert said(host) == ["stop toytest-three", "rm --force toytest-three"]
    assert host.made == ["/sys/fs/cgroup/memory/stackyard/toytest-two"]
    labels = "--filter label=stackyard.site=toytest --filter label=stackyard.node=three"
    how = f"docker volume rm $(docker volume ls -q {labels})"
    assert told[-1] == f"note three: its data stays, for when it comes back; to remove it: {how}"
