"""Whether the process of this container does its work."""

from __future__ import annotations

from collections.abc import Mapping

from .expressions import arguments
from .failure import Failure
from .probes import question
from .process import become
from .session import Session

UNHEALTHY = " is not healthy: "
"""Between the image's name and what was seen."""


def check(session: Session, env: Mapping[str, str], after: str | None = None) -> None:
    """Ask the probe of the image; Failure with what was seen when the answer is no.

    ``after`` is ``NAME=TIME``: what a file shows from before that counts no more, since NAME was started then, in
    seconds since 1970.
    """
    probe = session.container.health
    if not probe:
        return
    probe = {**probe, "after": after}
    if probe.get("exec") is not None:
        become(arguments(probe["exec"], session.context), session.environment(env))
    asked, ask = question(probe, session, env)
    seen = ask()
    if seen is not None:
        raise Failure(f"{session.container.image}{UNHEALTHY}{asked}: {seen}")
