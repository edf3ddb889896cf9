"""Site + catalogue + facts of the host + secrets -> a resolved site."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from stackyard.catalogue import Catalogue
from stackyard.entrypoint.contract import Problem
from stackyard.model.service import Runtime
from stackyard.model.site import Site
from stackyard.plan.contract import as_data, check
from stackyard.plan.expressions import ExpressionError, Scope
from stackyard.plan.facts import HostFacts
from stackyard.plan.nodes import place
from stackyard.plan.problems import Problems, Where
from stackyard.plan.resolved import Mount, PlacedNode, Published, ResolvedContainer, ResolvedSite
from stackyard.plan.select import Choice, published, select, with_ports
from stackyard.plan.values import Values, declared, secret_kinds
from stackyard.plan.waits import Draft, health, ordered, trace
from stackyard.secrets import Secrets

NODE_IMAGE = "node"
HIGHEST_PORT = 65535
SHOWN = 3
"""Containers that a message names, of those that want the same."""


@dataclass(frozen=True)
class _Context:
    """What all containers are resolved with."""

    catalogue: Catalogue
    site: Site
    host: HostFacts
    values: Values
    wrong: dict[Problem, list[str]] = field(default_factory=dict)
    """What breaks the contract -> the containers that it breaks it for."""


def resolve(
    catalogue: Catalogue, site: Site, host: HostFacts, secrets: Secrets, where: Where = lambda _path: ""
) -> ResolvedSite:
    """Decide everything that a site is. Raises InputError with all that is wrong.

    Secrets that are asked for and missing are made in ``secrets``; nothing else changes. ``where`` tells the
    line of the site file for a path in it.
    """
    problems = Problems(where)
    nodes = place(site)
    choices = select(catalogue, site, nodes)
    ports = published(site, choices)
    _within_range(site, ports.values(), problems)
    nodes = with_ports(nodes, choices, ports)
    runtimes = {image: (runtime, as_data(runtime)) for image, runtime in _runtimes(catalogue)}
    kinds = secret_kinds(runtime for runtime, _contract in runtimes.values())
    scope = Scope(
        site=site,
        nodes=nodes,
        runs={choice.name: choice.nodes for choice in choices},
        published=ports,
        host_address=host.address,
        secret=lambda name: secrets.get(name, kinds.get(name, "password")),
    )
    values = Values(scope, secrets, kinds, declared(scope, choices, problems), problems)
    context = _Context(catalogue, site, host, values)
    drafts = [
        _draft(context, choice, node, runtimes[choice.container.image])
        for node in nodes
        for choice in choices
        if node.name in {each.name for each in choice.nodes}
    ]
    _report(problems, site, context.wrong)
    problems.check()
    return ResolvedSite(
        site=site,
        version=catalogue.structure.version,
        node_image=catalogue.reference(NODE_IMAGE, site.registry),
        node_user=_user(catalogue, NODE_IMAGE),
        nodes=nodes,
        containers=_traced(drafts),
        declarations=values.declarations,
    )


def _within_range(site: Site, ports: Iterable[Published], problems: Problems) -> None:
    """The offset leaves all ports on the host below the highest that there is."""
    highest = max(ports, key=lambda port: port.host_port, default=None)
    if highest and highest.host_port > HIGHEST_PORT:
        message = f"{highest.port}, port `{highest.name}` of {highest.container}, would be {highest.host_port}"
        remedy = f"choose one of at most {HIGHEST_PORT - highest.port}"
        problems.add(("publish", "offset"), f"{site.publish.offset} is too much: {message}", remedy)


def _traced(drafts: Iterable[Draft]) -> tuple[ResolvedContainer, ...]:
    """The containers with their health probes and what they wait for, in the order of that."""
    ready = [replace(draft, container=replace(draft.container, health=health(draft))) for draft in drafts]
    waits = trace(ready)
    awaited = {name for each in waits.values() for wait in each for name in wait.providers}
    return ordered(
        replace(draft.container, waits=waits[name], awaited=name in awaited)
        for draft in ready
        for name in [draft.container.full_name]
    )


def _draft(
    context: _Context, choice: Choice, node: PlacedNode, image: tuple[Runtime, Mapping[str, Mapping[str, Any]]]
) -> Draft:
    """One container on one node, with its values, validated."""
    runtime, contract = image
    given = context.values.given(choice, runtime, node)
    outcome = check(contract, given.everything())
    for problem in outcome.errors:
        context.wrong.setdefault(problem, []).append(f"{choice.name} on {node.name}")
    container = ResolvedContainer(
        site=context.site.site,
        node=node.name,
        name=choice.name,
        service=choice.service.service,
        image=context.catalogue.reference(choice.container.image, context.site.registry),
        user=_user(context.catalogue, choice.container.image),
        definition=choice.container,
        knows=frozenset(runtime.contract),
        values=given.plain,
        secrets=given.secret,
        mounts=_mounts(context, choice, node),
        devices=_devices(context.host, choice),
    )
    return Draft(container, runtime, outcome.values)


def _runtimes(catalogue: Catalogue) -> Iterable[tuple[str, Runtime]]:
    return ((image, catalogue.effective(image)) for image in catalogue.images)


def _report(problems: Problems, site: Site, wrong: Mapping[Problem, Sequence[str]]) -> None:
    """Name the line of the site file where a variable is set, or would be, and the containers that want it."""
    for (name, text), containers in wrong.items():
        if name in site.settings:
            problems.add(("settings", name), text, f"`stackyard explain` tells what {name} takes")
            continue
        first = ", ".join(containers[:SHOWN])
        more = f" and {len(containers) - SHOWN} more" if len(containers) > SHOWN else ""
        remedy = "give it below `settings` of the site, or correct the catalogue"
        problems.add(("settings", name), f"{text.rstrip('.')}; for {first}{more}", remedy)


def _user(catalogue: Catalogue, image: str) -> int:
    """Uid of an image's processes."""
    if image not in catalogue.images:
        return 0
    service, own = catalogue.images[image]
    return service.uid(own)


def _mounts(context: _Context, choice: Choice, node: PlacedNode) -> tuple[Mount, ...]:
    mounts = [
        Mount(
            path=volume.path,
            volume=volume.name,
            source=_host_path(context.values, choice, volume.host, node),
            read_only=volume.read_only,
        )
        for volume in choice.container.volumes
    ]
    if choice.container.node_cgroup:
        mounts.extend(_cgroup_mounts(context.host, f"{context.site.site}-{node.name}"))
    return tuple(mounts)


def _host_path(values: Values, choice: Choice, text: str | None, node: PlacedNode) -> str | None:
    if text is None:
        return None
    try:
        made: Any = values.scope.plain(text, node)
    except ExpressionError as error:
        values.problems.add((), f"{choice.name} on {node.name}: volume {error}", "correct the catalogue")
        return None
    return str(made)


def cgroup_paths(host: HostFacts, node: str) -> dict[str, str]:
    """The node's own directory -> where it appears in its containers, for each hierarchy."""
    return {
        f"/sys/fs/cgroup/{name}/stackyard/{node}".replace("//", "/"): f"/sys/fs/cgroup/{name}".rstrip("/")
        for name in host.cgroups
    }


def _cgroup_mounts(host: HostFacts, node: str) -> list[Mount]:
    return [Mount(path=path, source=source, create=False) for source, path in cgroup_paths(host, node).items()]


def _devices(host: HostFacts, choice: Choice) -> tuple[str, ...]:
    optional = (device for device in choice.container.optional_devices if device in host.devices)
    return (*choice.container.devices, *optional)
