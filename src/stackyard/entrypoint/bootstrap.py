"""The idempotent steps that make what a service needs: databases, schemas, accounts. Safe to kill and run again."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

from .expressions import arguments, evaluate
from .failure import BAD_INPUT, Failure
from .files import write_all
from .log import say
from .markers import Marker, Place, connect, in_words, place
from .needs import wait
from .process import run
from .session import Session
from .suggest import closest

DEADLINE = 300.0
LOCK_DEADLINE = 900.0
LOCK_SECONDS = 5


def bootstrap(
    session: Session,
    env: Mapping[str, str],
    only: str | None = None,
    *,
    baked: bool = False,
    connect: Callable[[Place], Any] = connect,
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


def _once(session: Session, step: Mapping[str, Any], env: Mapping[str, str], connect: Callable[[Place], Any]) -> None:
    """Do a step unless its marker says that it is done; one at a time, whoever else tries."""
    name, identity = step["name"], session.container.identity
    where = place(evaluate(step["marker"], session.values))
    connection = _connected(functools.partial(connect, where), where)
    try:
        marker = Marker(connection)
        _locked(marker, f"stackyard.{session.container.service}.{name}", name)
        marker.make()
        if marker.is_done(name, identity) and not step.get("always"):
            say(f"bootstrap step {name}: already done")
            return
        _do(session, step, env)
        marker.done(name, identity)
    finally:
        connection.close()


def _connected(connect: Callable[[], Any], where: Place) -> Any:
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
            run(arguments(command, session.values), env, session.container.folder)
    except Failure as failure:
        raise Failure(f"bootstrap step {name}: {failure.lines[0]}", *failure.lines[1:], code=failure.code) from None
    say(f"bootstrap step {name}: done in {time.monotonic() - start:.1f} s")
