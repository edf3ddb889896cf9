"""The config API's store: upstream's tables in Cassandra, names in ZooKeeper."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

KEYSPACE = "config_db_uuid"
TABLES = "obj_uuid_table", "obj_fq_name_table"


class CassandraStore:
    """Objects as JSON; `connected` returns the session and the ZooKeeper client of now."""

    def __init__(self, connected: Callable[[], tuple[Any, Any]], replicas: int) -> None:
        self.connected = connected
        factor = f"{{'class': 'SimpleStrategy', 'replication_factor': '{replicas}'}}"
        self._run(f"CREATE KEYSPACE IF NOT EXISTS {KEYSPACE} WITH replication = {factor}")
        for table in TABLES:
            columns = "key text, column1 text, value text, PRIMARY KEY (key, column1)"
            self._run(f"CREATE TABLE IF NOT EXISTS {KEYSPACE}.{table} ({columns}) WITH COMPACT STORAGE")

    def _run(self, statement: str, *values: object) -> Any:
        return self.connected()[0].execute(statement, values)

    def all(self) -> Iterable[dict[str, Any]]:
        return [json.loads(row.value) for row in self._run(f"SELECT value FROM {KEYSPACE}.obj_uuid_table")]

    def get(self, identity: str) -> dict[str, Any] | None:
        row = self._run(f"SELECT value FROM {KEYSPACE}.obj_uuid_table WHERE key=%s", identity).one()
        return json.loads(row.value) if row else None

    def put(self, item: dict[str, Any]) -> None:
        insert = f"INSERT INTO {KEYSPACE}.{{}} (key, column1, value) VALUES (%s, %s, %s)"
        self._run(insert.format("obj_uuid_table"), item["uuid"], "object", json.dumps(item))
        self._run(insert.format("obj_fq_name_table"), *_row(item), "null")

    def remove(self, item: dict[str, Any]) -> None:
        self._run(f"DELETE FROM {KEYSPACE}.obj_uuid_table WHERE key=%s", item["uuid"])
        self._run(f"DELETE FROM {KEYSPACE}.obj_fq_name_table WHERE key=%s AND column1=%s", *_row(item))
        from kazoo.exceptions import NoNodeError

        with suppress(NoNodeError):
            self.connected()[1].delete(_path(item))

    def claim(self, item: dict[str, Any]) -> str:
        from kazoo.exceptions import NodeExistsError

        client = self.connected()[1]
        try:
            client.create(_path(item), item["uuid"].encode(), makepath=True)
        except NodeExistsError:
            return str(client.get(_path(item))[0].decode())
        return str(item["uuid"])


def _row(item: dict[str, Any]) -> tuple[str, str]:
    return item["type"].replace("-", "_"), ":".join([*item["fq_name"], item["uuid"]])


def _path(item: dict[str, Any]) -> str:
    return "/fq-name-to-uuid/" + f"{item['type']}:{':'.join(item['fq_name'])}".replace("/", "%2F")


def named(session: Any, kind: str, name: str) -> bool:
    """Tell whether an object of a kind has this last name, as the control node looks for itself."""
    try:
        rows = session.execute(
            f"SELECT column1 FROM {KEYSPACE}.obj_fq_name_table WHERE key=%s", [kind.replace("-", "_")]
        )
    except Exception as error:  # InvalidRequest: nothing is there yet
        if "does not exist" in str(error) or "unconfigured" in str(error):
            return False
        raise
    return any(row.column1.split(":")[-2] == name for row in rows)
