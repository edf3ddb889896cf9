"""Real connections to servers. Each is a generator: a turn is a question that the server answered, a failure raises."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

from standin.config_api import login
from standin.web import Refused, ask

Settings = dict[str, Any]
"""`servers` as (host, port), and what else the table names: user, password, vhost, keystone."""


def cql(settings: Settings) -> Iterator[Any]:
    from cassandra.auth import PlainTextAuthProvider
    from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ConsistencyLevel, ExecutionProfile
    from cassandra.policies import RoundRobinPolicy

    user = settings.get("user")
    profile = ExecutionProfile(RoundRobinPolicy(), consistency_level=ConsistencyLevel.QUORUM, request_timeout=10)
    cluster = Cluster(
        [host for host, _ in settings["servers"]],
        port=settings["servers"][0][1],
        auth_provider=PlainTextAuthProvider(user, settings.get("password") or "") if user else None,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        connect_timeout=5,
    )
    try:
        session = cluster.connect()
        while True:
            session.execute("SELECT cluster_name FROM system.local")
            yield session
    finally:
        cluster.shutdown()


def zookeeper(settings: Settings) -> Iterator[Any]:
    from kazoo.client import KazooClient

    client = KazooClient(",".join(f"{host}:{port}" for host, port in settings["servers"]), timeout=10)
    try:
        client.start(timeout=10)
        while True:
            client.exists("/")
            yield client
    finally:
        client.stop()
        client.close()


def amqp(settings: Settings) -> Iterator[Any]:
    from amqp import Connection

    connection = _first(settings, lambda host, port: _amqp(Connection, host, port, settings))
    with connection, connection.channel() as channel:
        while True:
            # The exchange of all changes: the user must be allowed to use it.
            channel.exchange_declare("vnc_config.object-update", "fanout", durable=False, auto_delete=False)
            yield connection


def _amqp(connection: Any, host: str, port: int, settings: Settings) -> Any:
    who = {"userid": settings["user"], "password": settings["password"], "virtual_host": settings["vhost"]}
    made = connection(f"{host}:{port}", connect_timeout=5, read_timeout=5, write_timeout=5, **who)
    made.connect()
    return made


def _first(settings: Settings, connect: Any) -> Any:
    """Return the first connection that can be made."""
    problem: Exception = ValueError("no server is named")
    for host, port in settings["servers"]:
        try:
            return connect(host, port)
        except Exception as error:  # of any client
            problem = error
    raise problem


def redis(settings: Settings) -> Iterator[Any]:
    from redis import Redis

    password = settings.get("password") or None
    clients = [Redis(host, port, password=password, socket_timeout=5) for host, port in settings["servers"]]
    while True:
        for client in clients:
            client.ping()
        yield clients


def kafka(settings: Settings) -> Iterator[Any]:
    from kafka import KafkaConsumer

    consumer = KafkaConsumer(bootstrap_servers=[f"{host}:{port}" for host, port in settings["servers"]])
    try:
        while True:
            yield consumer.topics()
    finally:
        consumer.close()


def keystone(settings: Settings) -> Iterator[Any]:
    while True:
        yield login(settings["keystone"])


def api(settings: Settings) -> Iterator[Any]:
    """Ask the config API for something that needs a token, when there is Keystone."""
    headers = {"X-Auth-Token": login(settings["keystone"])} if settings["keystone"] else {}
    url = "http://{}:{}/global-system-configs"
    while True:
        yield _first(settings, lambda host, port: ask(url.format(host, port), headers=headers))


def home(settings: Settings) -> Iterator[Any]:
    while True:
        yield _first(settings, lambda host, port: ask(f"http://{host}:{port}/"))


GREETINGS = {"xmpp": b"<?xml version='1.0'?><stream:stream", "sandesh": b"<sandesh length="}
"""How the two protocols begin; the other side answers so as well."""


def stream(talk: str, settings: Settings) -> Iterator[Any]:
    with _first(settings, lambda host, port: socket.create_connection((host, port), 5)) as connection:
        connection.settimeout(5)
        while True:
            connection.sendall(GREETINGS[talk])
            told = connection.recv(64)
            if not told.startswith(GREETINGS[talk]):
                raise Refused(502, f"the other side does not speak {talk}: {told!r}")
            yield connection


def xmpp(settings: Settings) -> Iterator[Any]:
    return stream("xmpp", settings)


def collector(settings: Settings) -> Iterator[Any]:
    return stream("sandesh", settings)
