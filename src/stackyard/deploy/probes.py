"""The questions that tell whether a container is ready, asked from here or inside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from stackyard.bundle.compose import ENTRYPOINT
from stackyard.deploy.readiness import STEADY, after, reachable, state
from stackyard.effects.engine import Engine
from stackyard.entrypoint import probes
from stackyard.entrypoint.expressions import ExpressionError
from stackyard.entrypoint.health import UNHEALTHY
from stackyard.errors import CommandError
from stackyard.plan.observed import Running
from stackyard.plan.resolved import Ask, ResolvedContainer

REFUSED = "Error response from daemon"
"""How the engine begins when there is no process to ask."""
LOOPS = 10.0
"""Seconds that one that ended by itself must run: after so long the engine begins anew to count its restarts."""
PATIENCE = 30
"""Seconds that a question inside a container may take."""


def ask(probe: Ask) -> str:
    """Ask from the host, as the entrypoint does; empty when the answer is yes, else what was seen."""
    asked = probe.http or probe.tcp or ""
    try:
        seen = probes.http(asked, None, probe.says, probe.reason) if probe.http else probes.tcp(probes.split(asked))
    except ExpressionError as error:
        return str(error)
    return f"{asked}: {seen}" if seen else ""


def ask_inside(engine: Engine, name: str, after: str = "") -> str:
    """Ask in the container; empty when the answer is yes, else what was seen. A yes of before ``after`` is none."""
    try:
        result = engine.exec(name, ENTRYPOINT, "health", *(("--after", after) if after else ()), timeout=PATIENCE)
    except CommandError as error:
        return error.message
    lines = (result.stderr or result.stdout).strip().splitlines()
    if result.code == 0:
        return ""
    if lines and lines[-1].startswith(REFUSED):
        return "it ended in the meantime"
    return lines[-1].rpartition(UNHEALTHY)[2] if lines else f"health says no, code {result.code}"


def ready(
    engine: Engine, containers: Sequence[ResolvedContainer], there: Mapping[str, Running], *, afresh: bool = False
) -> dict[str, str]:
    """What each container, by name, lacks to be as it should be now; empty when it lacks nothing.

    What serves an endpoint is asked now. For the others the engine's last check counts, which is at most half a
    minute old, or with ``afresh`` their answer now, for which a process is started in each.
    """
    with ThreadPoolExecutor(16) as pool:
        answers = pool.map(lambda each: _lacks(engine, each, there, afresh=afresh), containers)
        return {each.full_name: answer for each, answer in zip(containers, answers, strict=True)}


def _lacks(engine: Engine, container: ResolvedContainer, there: Mapping[str, Running], *, afresh: bool) -> str:
    """What a container lacks, in words."""
    running = there.get(container.full_name)
    if running is None:
        return "not there"
    if not running.running:
        done = container.definition.job and running.status == "exited" and running.exit_code == 0
        return "" if done else state(running)
    if container.definition.job:
        return "has not ended yet"
    return _asked(engine, container, running, after(container, there), afresh=afresh)


def _asked(engine: Engine, container: ResolvedContainer, running: Running, start: str, *, afresh: bool) -> str:
    """What a container that runs lacks, as it has shown after another's ``start``."""
    probe, up = container.health, (datetime.now(UTC) - running.since).total_seconds()
    if running.restarts and up < LOOPS:
        return f"started again within the last {LOOPS:.0f} s, {running.restarts} times in all"
    if probe is None:
        return "" if up >= STEADY else f"runs for less than {STEADY:.0f} s"
    if reachable(probe):
        return ask(probe)
    if running.health == "healthy" and not afresh and not container.serves and not start:
        return ""
    return ask_inside(engine, container.full_name, start)
