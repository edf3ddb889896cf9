"""OpenContrail's databases on a real engine, asked by their own clients: one node, and a cluster that loses one."""

import contextlib
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from cassandra import AuthenticationFailed, ConsistencyLevel, DriverException
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable
from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError
from kafka.structs import TopicPartition
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NodeExistsError

from stackyard.effects.engine import Engine
from tool import STATE, Tool, run
from waiting import NotYet, wait_for

pytestmark = [pytest.mark.engine, pytest.mark.full]

DOCKER = Engine().client
DATABASES = ("cassandra", "zookeeper", "kafka")
NETWORK = "198.18.{}.0/24"
REGISTRY = "database.test"
ENOUGH = 100
"""Writes that are acknowledged before something happens, and again after it."""


def engine(*arguments: str, check: bool = True, timeout: float = 120) -> str:
    outcome = run(DOCKER, *arguments, check=check, timeout=timeout)
    return outcome.stdout + outcome.stderr


@dataclass(frozen=True)
class Site:
    """A site with the databases on so many nodes, and nothing else."""

    stackyard: Tool
    folder: Path
    name: str
    network: int
    nodes: int

    @property
    def file(self) -> str:
        return str(self.folder / f"{self.name}.yaml")

    @property
    def addresses(self) -> list[str]:
        return [NETWORK.format(self.network).replace(".0/24", f".{10 + place}") for place in range(self.nodes)]

    def write(self) -> None:
        structure = {"version": "2026.2", "containers": dict.fromkeys(("node", *DATABASES, "redis"))}
        (self.folder / "structure.yaml").write_text(yaml.safe_dump(structure))
        networks = {name: NETWORK.format(self.network + part) for part, name in enumerate(("management", "tunnel"))}
        names = [f"db{place + 1}" for place in range(self.nodes)]
        roles = {name: {"roles": ["database", *(["redis"] if name == "db1" else [])]} for name in names}
        site = {"site": self.name, "release": "2026.2", "sdn": "opencontrail", "encapsulation": "vxlan"}
        site |= {"registry": REGISTRY}  # the images of other sites keep their names
        Path(self.file).write_text(
            yaml.safe_dump({**site, "structure": "structure.yaml", "networks": networks, "nodes": roles})
        )

    def __call__(self, verb: str, *words: str, timeout: float = 900) -> str:
        return self.stackyard(verb, "--site", self.file, *words, timeout=timeout).stderr

    def container(self, name: str, node: int = 1) -> str:
        return f"{self.name}-db{node}-{name}"

    def secret(self, name: str) -> str:
        return json.loads((STATE / "sites" / self.name / "secrets.json").read_text())["secrets"][name]

    def health(self, name: str, node: int = 1) -> str:
        """What the container's own probe says."""
        return engine("exec", self.container(name, node), "/opt/stackyard/bin/entrypoint", "health", check=False)

    def kill_process(self, name: str) -> None:
        """`kill -9` of everything in a container, which the engine starts again."""
        told = engine("inspect", "--format", "{{.State.Pid}} {{.RestartCount}}", self.container(name)).split()
        run("kill", "-9", told[0])

        def restarted() -> None:
            now = engine("inspect", "--format", "{{.State.Running}} {{.RestartCount}}", self.container(name)).split()
            if now[0] != "true" or int(now[1]) <= int(told[1]):
                raise NotYet(now)

        wait_for(f"{name} to be started again", restarted, 60)
        self.wait_for_health(name)

    def wait_for_health(self, name: str, node: int = 1) -> None:
        def healthy() -> None:
            if run(
                DOCKER, "exec", self.container(name, node), "/opt/stackyard/bin/entrypoint", "health", check=False
            ).code:
                raise NotYet(self.health(name, node))

        wait_for(f"{name} of db{node} to work", healthy, 300, pause=1)

    # Clients

    def cassandra(self, user: str = "opencontrail", password: str | None = None) -> Cluster:
        login = PlainTextAuthProvider(user, self.secret("opencontrail/cassandra") if password is None else password)
        profile = ExecutionProfile(consistency_level=ConsistencyLevel.QUORUM, request_timeout=20)
        return Cluster(
            self.addresses,
            port=9041,
            auth_provider=login,
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
            connect_timeout=20,
            control_connection_timeout=20,
        )

    def zookeeper(self) -> KazooClient:
        client = KazooClient(
            ",".join(f"{each}:2181" for each in self.addresses), timeout=15, connection_retry={"max_tries": -1}
        )
        client.start(timeout=60)
        return client

    @property
    def brokers(self) -> list[str]:
        return [f"{each}:9092" for each in self.addresses]


def made(stackyard: Tool, folder: Path, name: str, network: int, nodes: int) -> Iterator[Site]:
    site = Site(stackyard, folder, name, network, nodes)
    site.write()
    site("down", "--volumes")
    site("build", timeout=1800)
    site("up")
    yield site
    site("down", "--volumes")


@pytest.fixture(scope="module", autouse=True)
def images() -> Iterator[None]:
    yield
    names = engine("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", f"{REGISTRY}/*").split()
    engine("image", "rm", "--force", *names, check=False)


# ---------------------------------------------------------------- what is written


@dataclass
class Load:
    """A thread that writes numbers until it is told to stop, and knows which were acknowledged."""

    name: str
    write: Callable[[int], None]
    errors: tuple[type[Exception], ...]
    acknowledged: list[int] = field(default_factory=list)
    seen: str = "nothing"
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for number in itertools.count():
            if self._stop.is_set():
                return
            try:
                self.write(number)
            except self.errors as error:  # not acknowledged: it may be there, or not
                self.seen = f"{type(error).__name__}: {error}"
                self._stop.wait(0.2)
            else:
                self.acknowledged.append(number)

    def stop(self) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join(120)
        assert not self._thread.is_alive(), f"{self.name}: {self.seen}"

    def wait_for_more(self) -> None:
        """Wait until some more writes have been acknowledged."""
        wanted = len(self.acknowledged) + ENOUGH

        def enough() -> None:
            if len(self.acknowledged) < wanted:
                raise NotYet(f"{len(self.acknowledged)} of {wanted}, {self.seen}")

        wait_for(f"{self.name} to acknowledge {ENOUGH} more writes", enough, 180)


@dataclass
class Clients:
    """Every database's own client, which writes numbers and reads them back."""

    site: Site
    table: str

    def __post_init__(self) -> None:
        self.cluster = self.site.cassandra()
        self.session = self.cluster.connect()
        replicas = f"{{'class': 'SimpleStrategy', 'replication_factor': {min(3, self.site.nodes)}}}"
        self.session.execute(f"CREATE KEYSPACE IF NOT EXISTS load WITH replication = {replicas}")
        self.session.execute(f"CREATE TABLE IF NOT EXISTS load.{self.table} (number int PRIMARY KEY, what text)")
        values = f"INSERT INTO load.{self.table} (number, what) VALUES (?, ?)"  # noqa: S608
        self.insert = self.session.prepare(values)
        self.zookeeper = self.site.zookeeper()
        self.zookeeper.ensure_path(f"/{self.table}")
        self.producer = KafkaProducer(bootstrap_servers=self.site.brokers, acks="all")

    def close(self) -> None:
        self.cluster.shutdown()
        self.zookeeper.stop()
        self.producer.close()

    def write_cassandra(self, number: int) -> None:
        self.session.execute(self.insert, (number, f"row {number}"))

    def write_zookeeper(self, number: int) -> None:
        with contextlib.suppress(NodeExistsError):  # the answer to an earlier try was lost
            self.zookeeper.create(f"/{self.table}/{number}", str(number).encode())

    def write_kafka(self, number: int) -> None:
        self.producer.send(self.table, str(number).encode()).get(timeout=30)

    @property
    def loads(self) -> list[Load]:
        return [
            Load("Cassandra", self.write_cassandra, (DriverException, NoHostAvailable)),
            Load("ZooKeeper", self.write_zookeeper, (KazooException,)),
            Load("Kafka", self.write_kafka, (KafkaError,)),
        ]

    def read(self) -> dict[str, set[int]]:
        """Return what is there, by database."""
        rows = self.session.execute(f"SELECT number, what FROM load.{self.table}")  # noqa: S608
        consumer = KafkaConsumer(bootstrap_servers=self.site.brokers, auto_offset_reset="earliest", group_id=None)
        parts = [TopicPartition(self.table, each) for each in consumer.partitions_for_topic(self.table) or ()]
        consumer.assign(parts)
        ends = consumer.end_offsets(parts)
        found: set[int] = set()

        def everything() -> None:
            for records in consumer.poll(timeout_ms=1000).values():
                found.update(int(record.value) for record in records)
            if any(consumer.position(part) < ends[part] for part in parts):
                raise NotYet(f"{len(found)} records")

        wait_for("all records to be read", everything, 120, pause=0)
        consumer.close()
        return {
            "Cassandra": {row.number for row in rows if row.what == f"row {row.number}"},
            "ZooKeeper": {int(name) for name in self.zookeeper.get_children(f"/{self.table}")},
            "Kafka": found,
        }


def lost(loads: list[Load], found: dict[str, set[int]]) -> dict[str, list[int]]:
    """Acknowledged writes that are not there."""
    return {load.name: sorted(set(load.acknowledged) - found[load.name]) for load in loads}


NOTHING: dict[str, list[Any]] = {"Cassandra": [], "ZooKeeper": [], "Kafka": []}


# ---------------------------------------------------------------- one node


@pytest.fixture(scope="module")
def single(stackyard: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from made(stackyard, tmp_path_factory.mktemp("single"), "database1", 92, 1)


@pytest.mark.parametrize("how", ["restart", "kill -9"])
def test_one_node_keeps_what_it_has_acknowledged(single: Site, how: str) -> None:
    clients = Clients(single, "kept_" + how.replace(" -", ""))
    loads = clients.loads
    for load in loads:
        load.start()
    for load in loads:
        load.wait_for_more()
    for name in DATABASES:
        if how == "restart":
            engine("restart", single.container(name))
            single.wait_for_health(name)
        else:
            single.kill_process(name)
    for load in loads:
        load.wait_for_more()
        load.stop()
    assert lost(loads, clients.read()) == NOTHING
    clients.close()


@pytest.mark.parametrize(("user", "password"), [("opencontrail", "wrong"), ("cassandra", "cassandra")])
def test_cassandra_refuses_a_wrong_password_and_the_role_that_every_cluster_has(
    single: Site, user: str, password: str
) -> None:
    with pytest.raises(NoHostAvailable) as refused:
        single.cassandra(user, password).connect()
    (why,) = refused.value.errors.values()
    assert isinstance(why, AuthenticationFailed)


def test_redis_wants_its_password_and_takes_values(single: Site) -> None:
    name = single.container("redis")
    assert "NOAUTH" in engine("exec", name, "redis-cli", "-h", single.addresses[0], "SET", "a", "b")
    assert "NOAUTH" in engine("exec", name, "redis-cli", "SET", "a", "b")
    ask = ["exec", "-e", "REDISCLI_AUTH", name, "redis-cli", "-h", "127.0.0.1"]
    secret = {"REDISCLI_AUTH": single.secret("opencontrail/redis")}
    assert run(DOCKER, *ask, "SET", "a", "b", **secret).stdout.strip() == "OK"
    assert run(DOCKER, *ask, "GET", "a", **secret).stdout.strip() == "b"


def test_health_says_that_a_server_does_no_work(single: Site) -> None:
    """A process that is there, accepts connections, and answers nobody."""
    for name in (*DATABASES, "redis"):
        pid = engine("inspect", "--format", "{{.State.Pid}}", single.container(name)).strip()
        (server,) = run("pgrep", "--parent", pid).stdout.split()[:1]
        run("kill", "-STOP", server)
        try:
            told = single.health(name)
        finally:
            run("kill", "-CONT", server)
        assert "takes no" in told or "opens no session" in told or "does not answer" in told, told
        single.wait_for_health(name)


@pytest.mark.parametrize("database", DATABASES)
def test_data_of_another_cluster_is_refused_before_it_starts(single: Site, database: str) -> None:
    upper, path = database.upper(), f"/var/lib/{database}"
    nodes = {"cassandra": "CONFIGDB_NODES"}.get(database, f"{upper}_NODES")
    values = {f"{upper}_CLUSTER_NAME": "another", nodes: "127.0.0.1", "HOST_IP": "127.0.0.1"}
    passwords = (
        "CASSANDRA_PASSWORD",
        "CASSANDRA_ADMIN_PASSWORD",
        "CASSANDRA_PROBE_PASSWORD",
        "ZOOKEEPER_QUORUM_PASSWORD",
    )
    values |= dict.fromkeys(passwords, "example")
    image = engine("inspect", "--format", "{{.Config.Image}}", single.container(database)).strip()
    volume = f"{single.name}-db1-{database}:{path}"
    words = [word for name, value in values.items() for word in ("--env", f"{name}={value}")]
    done = run(DOCKER, "run", "--rm", "--volume", volume, *words, image, check=False)
    assert done.code
    assert "the data directory is of " in done.stderr
    assert "this is another" in done.stderr
    assert "Exception" not in done.stdout + done.stderr  # Java would say it so


def test_more_nodes_keep_what_one_had_and_kafka_says_that_it_cannot(single: Site) -> None:
    clients = Clients(single, "grown")
    for write in (clients.write_cassandra, clients.write_zookeeper):
        for number in range(ENOUGH):
            write(number)
    clients.close()
    grown = replace(single, nodes=3)
    grown.write()
    outcome = grown.stackyard("up", "--site", grown.file, check=False, timeout=900)
    assert outcome.code == 1
    assert "are 3, and this cluster was made for 1: its number of nodes cannot change" in outcome.stderr
    grown("down")
    volumes = engine("volume", "ls", "--quiet", "--filter", f"name={grown.name}-.*kafka").split()
    assert volumes
    engine("volume", "rm", *volumes)
    grown("up")
    clients = Clients(grown, "grown")
    found = clients.read()
    everything = set(range(ENOUGH))
    assert {name: found[name] for name in ("Cassandra", "ZooKeeper")} == dict.fromkeys(
        ("Cassandra", "ZooKeeper"), everything
    )
    rows = clients.session.execute("SELECT peer FROM system.peers")
    assert len({row.peer for row in rows}) == 2
    clients.close()


# ---------------------------------------------------------------- three nodes


@pytest.fixture(scope="module")
def three(stackyard: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from made(stackyard, tmp_path_factory.mktemp("three"), "database3", 94, 3)


@pytest.mark.parametrize("node", [1, 3])
def test_a_cluster_loses_a_node_and_no_acknowledged_write(three: Site, node: int) -> None:
    clients = Clients(three, f"without_{node}")
    loads = clients.loads
    for load in loads:
        load.start()
    for load in loads:
        load.wait_for_more()
    engine("kill", "--signal", "KILL", *(three.container(name, node) for name in DATABASES))
    for load in loads:
        load.wait_for_more()
    working = node % three.nodes + 1
    for name in DATABASES:
        three.wait_for_health(name, working)
    three("up")
    for name in DATABASES:
        three.wait_for_health(name, node)
    for load in loads:
        load.wait_for_more()
        load.stop()
    assert lost(loads, clients.read()) == NOTHING
    clients.close()


def test_a_node_alone_says_that_it_does_no_work(three: Site) -> None:
    others = [three.container(name, node) for node in (1, 2) for name in DATABASES]
    engine("stop", "--time", "30", *others)

    def told() -> dict[str, str]:
        said = {name: three.health(name, 3) for name in DATABASES}
        wanted = {"cassandra": "QUORUM", "zookeeper": "no ensemble that has a leader", "kafka": "Kafka"}
        if not all(word in said[name] for name, word in wanted.items()):
            raise NotYet(said)
        return said

    wait_for("the third node to say what it lacks", told, 120)
    three("up")
    for name in DATABASES:
        three.wait_for_health(name, 3)


def test_a_node_is_made_anew_and_keeps_its_place(three: Site) -> None:
    clients = Clients(three, "anew")
    loads = clients.loads
    for load in loads:
        load.start()
    for load in loads:
        load.wait_for_more()
    engine("rm", "--force", *(three.container(name, 2) for name in DATABASES))
    three("up")
    for load in loads:
        load.wait_for_more()
        load.stop()
    assert lost(loads, clients.read()) == NOTHING
    rows = clients.session.execute("SELECT peer FROM system.peers")
    assert len({row.peer for row in rows}) == 2
    clients.close()
