"""From variables to a running process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .expressions import arguments
from .failure import Failure
from .files import write_all
from .process import become, run, start_beside
from .session import Session


def start(session: Session, env: Mapping[str, str]) -> None:
    """Wait, render, prepare, and become the image's process."""
    container = session.container
    env = session.environment(env)
    if not container.command:
        raise Failure(f"{container.image} has no process of its own: give a command, or `bootstrap` or `explain`")
    if container.wait_for:
        from .waits import wait_for_all  # noqa: PLC0415 - start-up time

        wait_for_all(session, env)
    write_all(session)
    for command in container.pre_start:
        run(arguments(command, session.context), env)
    argv = arguments(container.command, session.context)
    for command in container.post_start:
        start_beside(arguments(command, session.context), env)
    become(argv, env)


def start_other(session: Session, argv: Sequence[str], env: Mapping[str, str]) -> None:
    """Render, and become another process, with the configuration of this image."""
    write_all(session)
    become(argv, session.environment(env))
