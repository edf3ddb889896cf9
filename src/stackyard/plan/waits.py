"""What waits for what: the needs of the catalogue, traced to the containers that meet them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from stackyard.entrypoint import expressions
from stackyard.model.service import Need, Probe, Runtime
from stackyard.plan.resolved import ResolvedContainer, Wait

Place = tuple[str, int]
Question = tuple[Any, ...]
"""What a probe asks, fit to be compared: where it connects to, or what it asks on which node."""


@dataclass(frozen=True)
class Draft:
    """A container whose waits are not traced yet, with its runtime and the values that expressions see."""

    container: ResolvedContainer
    runtime: Runtime
    values: Mapping[str, Any]

    @property
    def bootstraps(self) -> bool:
        """Whether it runs the bootstrap steps of its image in place of its process."""
        return self.container.definition.arguments[:1] == ("bootstrap",)


def health(draft: Draft) -> Probe | None:
    """The health probe with its expressions evaluated; one-shots have none."""
    if draft.container.definition.once or draft.runtime.health is None:
        return None
    return evaluated(draft.runtime.health, draft.values)


def evaluated(probe: Probe, values: Mapping[str, Any]) -> Probe | None:
    """A probe with its expressions evaluated; None when one needs a variable that is not given."""
    given = probe.model_dump(include=set(Probe.model_fields), exclude_none=True)
    try:
        made: dict[str, Any] = {
            key: expressions.arguments(value, values) if key == "exec" else expressions.evaluate(value, values)
            for key, value in given.items()
        }
    except expressions.ExpressionError:
        return None
    return Probe.model_validate(made)


def place(probe: Probe) -> Place | None:
    """Host and port that a probe connects to."""
    address = probe.tcp and f"tcp://{probe.tcp}"
    return url_place(address or probe.http or probe.bootstrapped or "")


def question(probe: Probe, node: str) -> Question | None:
    """What a container on a node asks with a probe."""
    inside = (*(probe.exec or ()), probe.file)
    return (node, *inside) if any(inside) else place(probe)


def url_place(url: str) -> Place | None:
    """Host and port of a URL."""
    parts = urlsplit(url)
    try:
        port = parts.port or {"http": 80, "https": 443, "mysql": 3306}.get(parts.scheme)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname and port else None


def trace(drafts: Iterable[Draft]) -> dict[str, tuple[Wait, ...]]:
    """What each container waits for, by name on the engine."""
    drafts = list(drafts)
    servers = _servers(drafts)
    steps = _steps(drafts)
    nodes: dict[str, list[ResolvedContainer]] = {}
    for draft in drafts:
        nodes.setdefault(draft.container.node, []).append(draft.container)
    return {
        draft.container.full_name: tuple(_waits(draft, nodes[draft.container.node], servers, steps)) for draft in drafts
    }


def _servers(drafts: list[Draft]) -> dict[Question, tuple[str, ...]]:
    """Whose health is what is asked for."""
    found: dict[Question, tuple[str, ...]] = {}
    for draft in drafts:
        probe = draft.container.health
        where = question(probe, draft.container.node) if probe else None
        if where:
            found[where] = (*found.get(where, ()), draft.container.full_name)
    return found


def _done(url: str, step: str | None) -> Question:
    """A bootstrap step: its database, and its name."""
    return (url_place(url), urlsplit(url).path, step)


def _steps(drafts: list[Draft]) -> dict[Question, tuple[str, ...]]:
    """Who does which bootstrap step."""
    found: dict[Question, tuple[str, ...]] = {}
    for draft in drafts:
        for step in draft.runtime.bootstrap if draft.bootstraps else ():
            url = _evaluate(step.marker, draft.values)
            for key in {_done(url, step.name), _done(url, None)} if url else ():
                found[key] = tuple(dict.fromkeys((*found.get(key, ()), draft.container.full_name)))
    return found


def _waits(
    draft: Draft,
    neighbours: Iterable[ResolvedContainer],
    servers: Mapping[Question, tuple[str, ...]],
    steps: Mapping[Question, tuple[str, ...]],
) -> Iterable[Wait]:
    me, node = draft.container.full_name, draft.container.node
    if draft.bootstraps:
        markers = {url for step in draft.runtime.bootstrap if (url := _evaluate(step.marker, draft.values))}
        for where in sorted({where for url in markers if (where := url_place(url))}):
            yield Wait("the database", tuple(name for name in servers.get(where, ()) if name != me))
        return
    for need in draft.runtime.needs:
        if not _applies(need, draft.values):
            continue
        probe = evaluated(need, draft.values)
        if need.container:
            providers = tuple(other.full_name for other in neighbours if other.name == need.container)
        elif probe and probe.bootstrapped:
            providers = steps.get(_done(probe.bootstrapped, need.step), ())
        else:
            asked = question(probe, node) if probe else None
            providers = servers.get(asked, ()) if asked else ()
        outside = probe if probe and not providers and (probe.tcp or probe.http) else None
        yield Wait(need.name, tuple(name for name in providers if name != me), outside)


def _applies(need: Need, values: Mapping[str, Any]) -> bool:
    try:
        return expressions.truth(need.when, values)
    except expressions.ExpressionError:
        return True


def _evaluate(text: str | None, values: Mapping[str, Any]) -> str:
    try:
        return expressions.evaluate(text, values) if text else ""
    except expressions.ExpressionError:
        return ""


def ordered(containers: Iterable[ResolvedContainer]) -> tuple[ResolvedContainer, ...]:
    """Providers before those that wait for them; otherwise as they come. A circle is left as it comes."""
    everything = {container.full_name: container for container in containers}
    done: dict[str, ResolvedContainer] = {}
    open_: set[str] = set()

    def visit(name: str) -> None:
        if name in done or name in open_ or name not in everything:
            return
        open_.add(name)
        for wait in everything[name].waits:
            for provider in wait.providers:
                visit(provider)
        done[name] = everything[name]

    for name in everything:
        visit(name)
    return tuple(done.values())
