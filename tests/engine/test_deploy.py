"""Up, down and all between, with a toy catalogue on a real engine."""

import fcntl
import json
import os
import random
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from stackyard.effects.host import Host
from stackyard.plan.facts import HostFacts
from stackyard.plan.resolve import cgroup_paths
from tool import PROGRAM
from toy import DOCKER, Toy, engine, inspect

pytestmark = pytest.mark.engine

ONE, TWO, ECHO, LATE, SET_UP = (f"toytest-{name}" for name in ("one", "two", "one-echo", "two-late", "one-set-up"))


def runs() -> int:
    """How often the set-up ran on the data that is there."""
    folder = Path(engine("volume", "inspect", "--format", "{{.Mountpoint}}", "toytest-one-data").strip())
    return len((folder / "runs").read_text().split())


def test_up_from_nothing_ends_when_all_is_ready_and_the_plan_is_empty_then(toy: Toy) -> None:
    toy("down", "--volumes")
    assert toy.plan()["one/echo"] == ("create", ["not there"])
    up = toy("up")
    assert "ready" in up.stdout
    assert toy.plan() == {}
    assert "nothing to do" in toy("up", "--plan").stdout
    assert {row["ready"] for row in toy("status", "--output", "json").json} == {"yes", "done"}


def test_with_nothing_to_do_nothing_is_done(running: Toy) -> None:
    before, count = running.ids(), runs()
    assert "nothing to do" in running("up").stdout
    assert running.ids() == before
    assert runs() == count


def test_secrets_are_files_of_their_service_and_nowhere_else(running: Toy) -> None:
    store = (running.state / "secrets.json").stat()
    assert stat.S_IMODE(store.st_mode) == 0o600
    file = running.state / "nodes/one/front/secrets/echo/TOKEN"
    assert (stat.S_IMODE(file.stat().st_mode), file.stat().st_uid) == (0o400, 2901)
    secret = file.read_text()
    plain = [path.read_text() for path in running.state.rglob("*") if path.is_file() and "secret" not in str(path)]
    shown = [engine("inspect", name) for name in running.ids()] + plain
    shown += [running("up", "--plan").stdout, running("status").stdout, running("logs").stdout]
    assert not [text for text in shown if secret in text]
    folder = Path(engine("volume", "inspect", "--format", "{{.Mountpoint}}", "toytest-one-data").strip())
    assert yaml.safe_load((folder / "words").read_text()) == [{"word": 'it\'s $HOME "quoted"', "secret": secret}]


def test_no_privileges_but_those_named(running: Toy) -> None:
    for name in running.ids():
        host = inspect(name)["HostConfig"]
        assert (host["Privileged"], host["CapDrop"], host["CapAdd"]) == (False, ["ALL"], None)
        assert host["ReadonlyRootfs"]
        assert "no-new-privileges:true" in host["SecurityOpt"]


def test_members_join_their_node(running: Toy) -> None:
    host = inspect(LATE)["HostConfig"]
    node = inspect(TWO)
    assert host["NetworkMode"] == host["PidMode"] == f"container:{node['Id']}"
    networks = {name: each["IPAddress"] for name, each in node["NetworkSettings"]["Networks"].items()}
    assert networks == {"toytest-management": "172.31.96.11", "toytest-tunnel": "172.31.97.11"}
    assert [each for each in inspect(LATE)["Mounts"] if each["Source"].endswith("/stackyard/toytest-two")]
    assert running.ids()


def test_a_changed_value_recreates_only_those_that_know_it(running: Toy) -> None:
    before = running.ids()
    running.change(settings={"GREETING": 'it\'s $5 "or" #more'})
    assert running.plan() == {
        "one/echo": ("recreate", ["docker-compose.yml changed (GREETING)"]),
        "one/set-up": ("recreate", ["docker-compose.yml changed (GREETING)"]),
    }
    running("up")
    after = running.ids()
    assert {name for name in after if after[name] != before[name]} == {ECHO, SET_UP}
    assert engine("exec", LATE, "/usr/bin/python3", "-c", _FETCH).strip() == 'it\'s $5 "or" #more'
    assert running.plan() == {}


_FETCH = "import urllib.request as r; print(r.urlopen('http://one:7000').read().decode())"


def test_other_ports_recreate_the_node_and_the_plan_says_so(running: Toy) -> None:
    before = runs()
    running.change(publish={"offset": 20001})
    plan = running.plan()
    assert plan["one/node"] == ("recreate", ["published ports changed"])
    assert plan["one/echo"] == ("recreate", ["its node one is made anew"])
    assert "two/late" not in plan
    running("up")
    with socket.create_connection(("127.0.0.1", 27001), timeout=5):
        pass
    assert running.plan() == {}
    assert runs() <= before + 1


def test_optional_containers_come_and_go(running: Toy) -> None:
    running.change(containers={"never": True})
    assert running.plan() == {"two/never": ("create", ["not there"])}
    running("up")
    running.change()
    assert running.plan() == {"two/never": ("remove", ["not in the site any more"])}
    running("up")
    assert "toytest-two-never" not in running.ids()


def test_a_node_that_was_restarted_is_repaired(running: Toy) -> None:
    before = running.ids()
    engine("restart", "-t", "1", ONE)
    why = ["its node one was started after it: its network is gone"]
    assert running.plan() == {"one/echo": ("restart", why)}
    assert why[0] in running("up").stderr
    assert running.plan() == {}
    assert engine("exec", LATE, "/usr/bin/python3", "-c", _FETCH)
    assert {name for name, each in running.ids().items() if each.split()[0] != before[name].split()[0]} == set()


def test_what_was_removed_or_stopped_by_hand_comes_back(running: Toy) -> None:
    engine("rm", "-f", LATE, TWO)
    engine("stop", "-t", "1", ECHO)
    plan = running.plan()
    assert plan["two/node"] == ("create", ["not there"])
    assert plan["one/echo"][0] == "start"
    running("up")
    assert running.plan() == {}


def test_a_node_without_one_of_its_networks_is_made_anew(running: Toy) -> None:
    engine("network", "disconnect", "toytest-tunnel", TWO)
    assert running.plan()["two/node"] == ("recreate", ["its address in toytest-tunnel is none, not 172.31.97.11"])
    running("up")
    assert running.plan() == {}


def test_files_changed_by_hand_are_written_again(running: Toy) -> None:
    file = running.state / "nodes/one/front/common.env"
    file.write_text("GREETING=wrong\n")
    (running.state / "nodes/one/front/stray").touch()
    before = running.ids()
    running("up")
    assert "wrong" not in file.read_text()
    assert not (running.state / "nodes/one/front/stray").exists()
    assert running.ids() == before


def test_a_person_can_do_it_by_hand(running: Toy) -> None:
    before = running.ids()
    folder = running.state / "nodes/two/late"
    for arguments in (["config", "--quiet"], ["up", "--detach"]):
        subprocess.run(["docker", "compose", *arguments], cwd=folder, check=True, capture_output=True)
    assert running.ids() == before
    assert running.plan() == {}


def test_one_node_alone(running: Toy) -> None:
    engine("rm", "-f", LATE, ECHO)
    assert "waits for echo (one/echo), which is not up" in running("up", "two").stderr
    assert set(running.plan()) == {"one/echo"}
    refused = running("up", "three", check=False)
    assert (refused.code, "one, two" in refused.stderr) == (2, True)
    running("up")


SEED = os.environ.get("STACKYARD_TEST_SEED") or str(time.time_ns())


@pytest.mark.parametrize("group", [True, False])
def test_killed_at_any_moment_it_converges(toy: Toy, record_property: pytest.FixtureRequest, group: bool) -> None:
    record_property("seed", SEED)  # type: ignore[operator]
    chance = random.Random(f"{SEED}{group}")  # noqa: S311
    toy("down", "--volumes")
    for _round in range(4):
        up = subprocess.Popen(
            [str(PROGRAM), "up", "--site", str(toy.file)],
            env={**os.environ, **toy.env},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            up.wait(chance.uniform(0.3, 4))
        except subprocess.TimeoutExpired:
            os.killpg(up.pid, signal.SIGKILL) if group else up.kill()
        up.wait()
    toy("up")
    assert toy.plan() == {}
    assert {row["ready"] for row in toy("status", "--output", "json").json} == {"yes", "done"}


def test_a_container_that_crashes_is_told_early_with_its_last_words(running: Toy) -> None:
    running.change(settings={"MODE": "crash"})
    up = running("up", "--deadline", "1000", check=False)  # which has to end long before that
    assert up.code == 1, str(up)
    assert "not ready within" not in up.stderr
    assert "two/late" in up.stderr
    assert "it went wrong: no reason at all" in up.stderr
    running.change()
    running("up")


def test_what_is_not_ready_in_time_is_told_with_what_was_seen(running: Toy) -> None:
    nodes = {"two": {"roles": ["compute"], "zone": "west"}}
    running.change(nodes=nodes, settings={"ECHO_SERVER": "172.31.96.99"})  # where nobody is
    engine("rm", "-f", LATE)
    up = running("up", "--deadline", "3", check=False)
    assert up.code == 1, str(up)
    assert "not ready within 3 s" in up.stderr
    assert "two/late: waits for echo" in up.stderr
    running.change()
    running("up")


def test_two_commands_do_not_change_one_site_at_once(running: Toy) -> None:
    engine("rm", "-f", LATE)
    with (running.state / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate()
        lock.write(f"stackyard up, process {os.getpid()}\n")
        lock.flush()
        up = running("up", check=False)
    assert up.code == 1
    assert f"process {os.getpid()}" in up.stderr
    running("up")


def refused(toy: Toy) -> str:
    before, networks = toy.ids(), engine("network", "ls", "-q")
    up = toy("up", check=False)
    assert up.code == 2, str(up)
    assert (toy.ids(), engine("network", "ls", "-q")) == (before, networks)
    return up.stderr


def test_missing_images(toy: Toy) -> None:
    toy.change(registry="nowhere.test")
    assert "stackyard build" in refused(toy)
    assert "nowhere.test/echo:1" in toy("up", "--plan").stdout


def test_a_port_in_use(toy: Toy) -> None:
    toy("down")
    with socket.create_server(("127.0.0.1", 27000)):
        said = refused(toy)
    assert "27000" in said
    assert "echo" in said
    assert str(os.getpid()) in said


def test_a_network_that_overlaps(toy: Toy) -> None:
    toy("down")
    engine("network", "create", "toytest-other", "--subnet", "172.31.96.128/25")
    try:
        assert "toytest-other" in refused(toy)
    finally:
        engine("network", "rm", "toytest-other")


def test_a_network_that_the_host_is_in(toy: Toy) -> None:
    toy("down")
    subprocess.run(["ip", "link", "add", "toytest0", "type", "veth", "peer", "name", "toytest1"], check=True)
    try:
        subprocess.run(["ip", "address", "add", "172.31.100.4/20", "dev", "toytest0"], check=True)
        subprocess.run(["ip", "link", "set", "toytest0", "up"], check=True)
        said = refused(toy)
        planned = toy("up", "--plan", check=False)
    finally:
        subprocess.run(["ip", "link", "delete", "toytest0"], check=True)
    way = "networks.management: 172.31.96.0/24 overlaps 172.31.96.0/20, which this host reaches through toytest0"
    assert way in said
    assert (planned.code, way in planned.stderr, "create" in planned.stdout) == (2, True, True)


_ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)))"
_LIMITS = "import resource as r; print(r.getrlimit(r.RLIMIT_NOFILE))"


def test_the_clients_proxies_reach_no_container(toy: Toy, tmp_path: Path) -> None:
    toy("down")
    proxy = "http://127.0.0.1:1"
    default = {"httpProxy": proxy, "httpsProxy": proxy, "ftpProxy": proxy, "allProxy": proxy, "noProxy": "x.invalid"}
    (tmp_path / "config.json").write_text(json.dumps({"proxies": {"default": default}}))
    shell = {"DOCKER_CONFIG": str(tmp_path), "http_proxy": proxy, "HTTPS_PROXY": proxy}
    toy.stackyard("up", "--site", str(toy.file), **toy.env, **shell)
    made = subprocess.run(
        [DOCKER, "run", "--rm", "--entrypoint=/usr/bin/python3", inspect(ECHO)["Image"], "-c", _ENVIRONMENT],
        env={**os.environ, **shell},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(made.stdout)["http_proxy"] == proxy, "the client puts its proxies into containers"
    for name in toy.ids():
        found = [entry for entry in inspect(name)["Config"]["Env"] if "_proxy=" in entry.lower()]
        assert len(found) == 10
        assert all(entry.endswith("=") for entry in found), f"{name}: {found}"
    assert engine("exec", ECHO, "/usr/bin/python3", "-c", _LIMITS).strip() == "(16384, 16384)"
    mtu = Path(f"/sys/class/net/br-{inspect('toytest-tunnel')['Id'][:12]}/mtu")
    assert mtu.read_text().strip() == "1500"


def test_a_name_that_does_not_resolve(running: Toy) -> None:
    running.change(settings={"UPSTREAM": "no-such-host.invalid"})
    said = refused(running)
    line = next(n for n, text in enumerate(running.file.read_text().splitlines(), 1) if "UPSTREAM" in text)
    assert f"toy.yaml:{line}: settings.UPSTREAM: no-such-host.invalid does not resolve" in said


def test_a_value_that_breaks_the_contract(running: Toy) -> None:
    running.change(settings={"ECHO_PORT": "99999"})
    said = refused(running)
    assert "settings.ECHO_PORT" in said
    assert "99999" in said


def test_credentials(running: Toy) -> None:
    token = (running.state / "nodes/one/front/secrets/echo/TOKEN").read_text()
    shell = f'{running("env").stdout}\necho "$OS_AUTH_URL $OS_PASSWORD $OS_REGION_NAME"'
    told = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True).stdout
    assert told.split() == ["http://127.0.0.1:27000/v3", token, "RegionOne"]
    cloud = yaml.safe_load(running("env", "--clouds-yaml").stdout)["clouds"]["toytest"]
    assert cloud["auth"]["password"] == token


def test_logs(running: Toy) -> None:
    assert running("logs", "echo").stdout
    assert "one/echo | " in running("logs").stdout
    wrong = running("logs", "ecko", check=False)
    assert (wrong.code, "did you mean echo?" in wrong.stderr) == (2, True)


def test_down_keeps_the_data_and_takes_nothing_else(running: Toy) -> None:
    engine("network", "create", "toytest-stranger")
    engine("create", "--name", "toytest-stranger", "toy.test/node:1")
    try:
        count = runs()
        running("down")
        assert running.ids() == {}
        assert engine("ps", "-aq", "--filter", "name=toytest-stranger")
        assert engine("network", "ls", "-q", "--filter", "name=toytest").split() != []
        running("up")
        assert runs() == count + 1
        cgroups = [Path(path) for path in cgroup_paths(HostFacts(Host.local().cgroups()), TWO)]
        assert cgroups
        assert [path for path in cgroups if not path.is_dir()] == []
        running("down", "--volumes")
        assert engine("volume", "ls", "-q", "--filter", "label=stackyard.site=toytest") == ""
        assert not running.state.exists()
        assert [path for path in cgroups if path.exists()] == []
    finally:
        engine("rm", "toytest-stranger")
        engine("network", "rm", "toytest-stranger")
