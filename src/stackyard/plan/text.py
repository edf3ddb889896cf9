"""The one text form of a plan, and its JSON form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from stackyard.model.reference import registry
from stackyard.plan.decide import Plan, Step
from stackyard.plan.resolved import ResolvedSite

_MARKS = {"create": "+", "recreate": "~", "start": ">", "restart": ">", "remove": "-", "unchanged": "="}


def as_text(site: ResolvedSite, plan: Plan, new_secrets: Iterable[str] = ()) -> str:
    """The plan, a line for each thing that is done, with its reasons; ends with a summary."""
    lines = [f"site {site.name}: release {site.site.release}, {site.site.sdn}, {site.site.encapsulation}"]
    lines += [_image(reference) for reference in plan.missing_images]
    lines += [f"  + secret {name}: not there" for name in sorted(new_secrets)]
    lines += [
        f"  {_MARKS[step.verb]} network {step.name} {step.wanted.subnet}: {step.verb}, {'; '.join(step.why)}"
        for step in plan.networks
        if step.verb != "unchanged"
    ]
    lines += [f"  ~ interface {port.interface}: {port.verb}, network {port.network}" for port in plan.ports]
    lines += [f"  ~ node {join.node}: {join.verb}, network {join.network}" for join in plan.joins]
    lines += [f"  ~ file {path}" for path in plan.files if not _of_new_project(path, plan)]
    lines += [_step(step, plan.ended) for step in plan.changes]
    lines.append(_summary(plan))
    return "\n".join(lines) + "\n"


def _image(reference: str) -> str:
    remedy = "pull, not there" if registry(reference) else "not there; make it with stackyard build"
    return f"  {'+' if registry(reference) else '!'} image {reference}: {remedy}"


def _of_new_project(path: str, plan: Plan) -> bool:
    """Files of directories whose containers are made, and of nodes that go, go without saying."""
    node, project, _file = path.split("/", 2)
    gone = {step.node for step in plan.of("remove") if step.is_node}
    return node in gone or any((step.node, step.project) == (node, project) for step in plan.of("create", "recreate"))


def _step(step: Step, ended: Mapping[str, tuple[int, Step]]) -> str:
    what = "node" if step.is_node else "container"
    vms, ending = ended.get(step.node, (0, None))
    ends = f"; ends {count(vms, 'VM')}" if step is ending else ""
    return f"  {_MARKS[step.verb]} {what} {step.key}: {step.verb}, {'; '.join(step.why)}{ends}"


def count(number: int, noun: str) -> str:
    """A number of things in words."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _summary(plan: Plan) -> str:
    if plan.empty:
        return f"nothing to do: {len(plan.steps)} containers are as they should be"
    pulled = [each for each in plan.missing_images if registry(each)]
    counts = [("pull", len(pulled)), *((verb, len(plan.of(verb))) for verb in _MARKS)]  # type: ignore[arg-type]
    joined = [*(join.verb for join in plan.joins), *(port.verb for port in plan.ports)]
    counts += [(verb, joined.count(verb)) for verb in ("connect", "disconnect")]
    return ", ".join(f"{verb} {count}" for verb, count in counts if count) or "files only"


def as_data(site: ResolvedSite, plan: Plan, new_secrets: Iterable[str] = ()) -> dict[str, Any]:
    """The plan as plain data for JSON."""
    return {
        "site": site.name,
        "release": site.site.release,
        "sdn": site.site.sdn,
        "nothing_to_do": plan.empty,
        "missing_images": list(plan.missing_images),
        "secrets": sorted(new_secrets),
        "networks": [
            {"name": step.name, "subnet": step.wanted.subnet, "verb": step.verb, "why": list(step.why)}
            for step in plan.networks
        ],
        "joins": [{"verb": join.verb, "node": join.node, "network": join.network} for join in plan.joins],
        "interfaces": [
            {"verb": port.verb, "interface": port.interface, "network": port.network} for port in plan.ports
        ],
        "files": list(plan.files),
        "ended_vms": {node: vms for node, (vms, _step) in plan.ended.items()},
        "containers": [
            {
                "verb": step.verb,
                "node": step.node,
                "container": step.container,
                "project": step.project,
                "name": step.name,
                "why": list(step.why),
            }
            for step in plan.steps
        ],
    }
