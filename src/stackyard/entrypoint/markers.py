"""What a database remembers of its bootstrap: a row for each step that is done, and a lock while one is running."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .failure import Failure

SECONDS = 5
TABLE = "stackyard_bootstrap"
CREATE = (
    f"CREATE TABLE IF NOT EXISTS {TABLE} (step VARCHAR(64) PRIMARY KEY, identity VARCHAR(64) NOT NULL, "
    "done_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)"
)
IS_DONE = f"SELECT 1 FROM {TABLE} WHERE step = %s AND identity = %s"  # noqa: S608 - a constant
ANY_DONE = f"SELECT 1 FROM {TABLE} WHERE identity = %s LIMIT 1"  # noqa: S608
DONE = f"REPLACE INTO {TABLE} (step, identity) VALUES (%s, %s)"  # noqa: S608
LOCK = "SELECT GET_LOCK(%s, %s)"
LONGEST_LOCK = 64


class Place(NamedTuple):
    """Where a marker is."""

    host: str
    port: int
    user: str
    password: str
    database: str

    def __str__(self) -> str:
        """The database, without its password."""
        return f"database {self.database} at {self.host}:{self.port}"


def place(url: str) -> Place:
    """The parts of ``mysql://user:password@host:port/database``."""
    from urllib.parse import unquote, urlsplit  # noqa: PLC0415 - start-up time

    parts = urlsplit(url)
    database = parts.path.strip("/")
    if not parts.scheme.startswith("mysql") or not parts.hostname or not database:
        raise Failure("a marker is not mysql://user:password@host:port/database (a mistake in the catalogue)")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Place(parts.hostname, parts.port or 3306, user, password, database)


def connect(where: Place) -> Any:
    """A connection that commits each statement; OSError or pymysql's MySQLError when there is none to be had."""
    import pymysql  # type: ignore[import-untyped,import-not-found,unused-ignore]  # noqa: PLC0415 - start-up time

    return pymysql.connect(
        host=where.host,
        port=where.port,
        user=where.user,
        password=where.password,
        database=where.database,
        connect_timeout=SECONDS,
        autocommit=True,
    )


def in_words(error: Exception) -> str:
    """A database's error: its text without the number."""
    return str(error.args[1] if len(error.args) > 1 else error)


def bootstrapped(url: str, step: str | None, identity: str, connect: Callable[[Place], Any] = connect) -> str | None:
    """None when the step, or without one any step, is done at that identity; else what was seen instead."""
    try:
        connection = connect(place(url))
    except ImportError:
        raise
    except Failure:
        raise
    except Exception as error:  # noqa: BLE001 - pymysql's own, which are not imported here
        return in_words(error)
    try:
        query, parameters = (IS_DONE, (step, identity)) if step else (ANY_DONE, (identity,))
        return None if Marker(connection).rows(query, parameters) else "its bootstrap has not finished"
    except Exception as error:  # noqa: BLE001
        return f"its bootstrap has not begun: {in_words(error)}"
    finally:
        connection.close()


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

    def is_done(self, step: str, identity: str) -> bool:
        """Whether a step is done at that identity."""
        return bool(self.rows(IS_DONE, (step, identity)))

    def done(self, step: str, identity: str) -> None:
        """Remember that a step is done; with a new connection when the server has dropped the old one."""
        self.connection.ping(reconnect=True)
        self.rows(DONE, (step, identity))
