"""The idempotent steps that make what a service needs: databases, schemas, accounts. Safe to kill and run again."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

from .endpoints import Endpoint
from .expressions import arguments
from .failure import BAD_INPUT, Failure
from .files import write_all
from .log import say
from .markers import Marker, at_values, connect, in_words, where
from .process import run
from .session import Session
from .suggest import closest
from .waits import wait

DEADLINE = 300.0
LOCK_DEADLINE = 900.0
LOCK_SECONDS = 5


def bootstrap(
    session: Session,
    env: Mapping[str, str],
    only: str | None = None,
    *,
    baked: bool = False,
    connect: Callable[[Endpoint], Any] = connect,
) -> None:
    """Do every step that is not done, or the one named ``only``; with ``baked`` those that an image build does."""
    steps = [step for step in _steps(session, only) if step.get("bake") or not baked]
    write_all(session)
    env = session.environment(env)
    for step in steps:
        if step.get("marker"):
            _once(session, step, env, connect)
        else:
            _do(session, step, env)


def _steps(session: Session, only: str | None) -> list[dict[str, Any]]:
    steps = session.container.bootstrap
    if only is None:
        return steps
    names = [step["name"] for step in steps]
    if only not in names:
        near = closest(only, names)
        known = f"it has {', '.join(names)}" if names else "it has none"
        hint = f"did you mean {near}?" if near else known
        raise Failure(f"{session.container.image} has no bootstrap step {only!r}: {hint}", code=BAD_INPUT)
    return [step for step in steps if step["name"] == only]


def _once(
    session: Session, step: Mapping[str, Any], env: Mapping[str, str], connect: Callable[[Endpoint], Any]
) -> None:
    """Do a step unless its marker says that it is done; one at a time, whoever else tries."""
    name, database = step["name"], session.endpoint(step["marker"])
    connection = _connected(functools.partial(connect, database), where(database))
    try:
        marker = Marker(connection)
        _locked(marker, f"stackyard.{session.container.service}.{name}", name)
        marker.make()
        known = at_values([step["identity"], *step.get("adopts", ())], step.get("values", ()), session.values)
        if marker.is_done(name, known) and not step.get("always"):
            say(f"bootstrap step {name}: already done")
            return
        _do(session, step, env)
        marker.done(name, known[0])
    finally:
        connection.close()


def _connected(connect: Callable[[], Any], where: str) -> Any:
    """A connection, as soon as the server is there and somebody has made the database and its account."""
    found: list[Any] = []

    def ask() -> str | None:
        try:
            found.append(connect())
        except ImportError as error:
            raise Failure(f"cannot reach the {where}: {error}") from error
        except Exception as error:  # noqa: BLE001 - pymysql's own, which are not imported here
            return in_words(error)
        return None

    wait(f"the {where}", ask, DEADLINE)
    return found[0]


def _locked(marker: Marker, lock: str, name: str) -> None:
    def ask() -> str | None:
        return None if marker.lock(lock, LOCK_SECONDS) else "another bootstrap is doing it"

    wait(f"the lock of bootstrap step {name}", ask, LOCK_DEADLINE)


def _do(session: Session, step: Mapping[str, Any], env: Mapping[str, str]) -> None:
    """Run the commands of a step."""
    start, name = time.monotonic(), step["name"]
    say(f"bootstrap step {name}")
    try:
        for command in step["run"]:
            run(arguments(command, session.context), env, session.container.folder)
    except Failure as failure:
        raise Failure(f"bootstrap step {name}: {failure.lines[0]}", *failure.lines[1:], code=failure.code) from None
    say(f"bootstrap step {name}: done in {time.monotonic() - start:.1f} s")
