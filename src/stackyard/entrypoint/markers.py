"""What a database remembers of its bootstrap: a row for each step that is done, and a lock while one is running."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .endpoints import Endpoint

SECONDS = 5
TABLE = "stackyard_bootstrap"
CREATE = (
    f"CREATE TABLE IF NOT EXISTS {TABLE} (step VARCHAR(64) PRIMARY KEY, identity VARCHAR(64) NOT NULL, "
    "done_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)"
)
IS_DONE = f"SELECT 1 FROM {TABLE} WHERE step = %s AND identity IN %s"  # noqa: S608 - a constant
DONE = f"REPLACE INTO {TABLE} (step, identity) VALUES (%s, %s)"  # noqa: S608
LOCK = "SELECT GET_LOCK(%s, %s)"
LONGEST_LOCK = 64


def where(database: Endpoint) -> str:
    """The database in words, without its password."""
    return f"database {database.path.strip('/')} at {database.address}"


def connect(database: Endpoint) -> Any:
    """A connection that commits each statement; OSError or pymysql's MySQLError when there is none to be had."""
    import pymysql  # type: ignore[import-untyped,import-not-found,unused-ignore]  # noqa: PLC0415 - start-up time

    return pymysql.connect(
        host=database.host,
        port=database.port,
        user=database.user,
        password=database.password,
        database=database.path.strip("/"),
        connect_timeout=SECONDS,
        autocommit=True,
    )


def in_words(error: Exception) -> str:
    """A database's error: its text without the number."""
    return str(error.args[1] if len(error.args) > 1 else error)


def unfinished(
    database: Endpoint, steps: Mapping[str, Sequence[str]], connect: Callable[[Endpoint], Any] = connect
) -> str | None:
    """None when every step is done at one of its identities; else what was seen instead."""
    try:
        connection = connect(database)
    except ImportError:
        raise
    except Exception as error:  # noqa: BLE001 - pymysql's own, which are not imported here
        return in_words(error)
    try:
        marker = Marker(connection)
        missing = [step for step, identities in steps.items() if not marker.is_done(step, identities)]
        return f"its bootstrap has not finished: {', '.join(missing)}" if missing else None
    except Exception as error:  # noqa: BLE001
        return f"its bootstrap has not begun: {in_words(error)}"
    finally:
        connection.close()


def at_values(identities: Sequence[str], names: Sequence[str], values: Mapping[str, Any]) -> list[str]:
    """Identities of a step that is done with the values of these variables: those of the step, when there are none."""
    if not names:
        return list(identities)
    import hashlib  # noqa: PLC0415 - start-up time

    given = "".join(f"\n{name}={values.get(name)}" for name in names)
    return [hashlib.sha256((identity + given).encode()).hexdigest()[: len(identity)] for identity in identities]


class Marker:
    """The memory of one database."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def rows(self, query: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and fetch what it returns."""
        with self.connection.cursor() as cursor:
            cursor.execute(query, parameters)
            return list(cursor.fetchall())

    def make(self) -> None:
        """Make the table when there is none."""
        self.rows(CREATE)

    def lock(self, name: str, seconds: int) -> bool:
        """Take the lock of a step; it ends with the connection, so a killed bootstrap leaves none."""
        return bool(self.rows(LOCK, (name[:LONGEST_LOCK], seconds))[0][0])

    def is_done(self, step: str, identities: Sequence[str]) -> bool:
        """Whether a step is done at one of the identities."""
        return bool(self.rows(IS_DONE, (step, list(identities))))

    def done(self, step: str, identity: str) -> None:
        """Remember that a step is done; with a new connection when the server has dropped the old one."""
        self.connection.ping(reconnect=True)
        self.rows(DONE, (step, identity))
