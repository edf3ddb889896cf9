"""The questions that tell whether a container is ready, asked from here or inside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from stackyard.bundle.compose import ENTRYPOINT
from stackyard.deploy.readiness import STEADY, reachable
from stackyard.effects.engine import Engine
from stackyard.entrypoint import probes
from stackyard.entrypoint.expressions import ExpressionError
from stackyard.entrypoint.health import UNHEALTHY
from stackyard.errors import CommandError
from stackyard.plan.observed import Running
from stackyard.plan.resolved import Ask, ResolvedContainer

PATIENCE = 30
"""Seconds that a question inside a container may take."""


def ask(probe: Ask) -> str:
    """Ask from the host, as the entrypoint does; empty when the answer is yes, else what was seen."""
    asked = probe.http or probe.tcp or ""
    try:
        seen = probes.http(asked) if probe.http else probes.tcp(probes.split(asked))
    except ExpressionError as error:
        return str(error)
    return f"{asked}: {seen}" if seen else ""


def ask_inside(engine: Engine, name: str) -> str:
    """Ask in the container; empty when the answer is yes, else what was seen."""
    try:
        result = engine.exec(name, ENTRYPOINT, "health", timeout=PATIENCE)
    except CommandError as error:
        return error.message
    lines = (result.stderr or result.stdout).strip().splitlines()
    if result.code == 0:
        return ""
    return lines[-1].rpartition(UNHEALTHY)[2] if lines else f"health says no, code {result.code}"


def ready(engine: Engine, containers: Sequence[ResolvedContainer], there: Mapping[str, Running]) -> dict[str, bool]:
    """Whether each container, by name, is as it should be now."""
    with ThreadPoolExecutor(16) as pool:
        answers = pool.map(lambda each: _is_ready(engine, each, there.get(each.full_name)), containers)
        return {each.full_name: answer for each, answer in zip(containers, answers, strict=True)}


def _is_ready(engine: Engine, container: ResolvedContainer, running: Running | None) -> bool:
    """Whether a container is as it should be; the engine's own health check answers where the tool cannot ask."""
    if running is None:
        return False
    if container.definition.job:
        return running.status == "exited" and running.exit_code == 0
    if not running.running:
        return False
    probe = container.health
    if probe and reachable(probe):
        return not ask(probe)
    if (probe is None or running.restarts) and (datetime.now(UTC) - running.since).total_seconds() < STEADY:
        return False
    return probe is None or running.health == "healthy" or not ask_inside(engine, container.full_name)
