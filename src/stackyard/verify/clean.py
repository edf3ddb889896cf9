"""Deletes what the proof has made, whoever was interrupted in making it: it is known by its name."""

from __future__ import annotations

from collections.abc import Callable

from stackyard.effects.openstack import ApiError
from stackyard.errors import StackyardError
from stackyard.verify.cloud import KINDS, Cloud, Resource
from stackyard.verify.wait import until

PREFIX = "stackyard-verify-"
DEADLINE = 120


def prefix(tag: str) -> str:
    """Return what the names of all that a tag's runs make begin with."""
    return f"{PREFIX}{tag}-"


def clean(
    cloud: Cloud, tag: str, told: Callable[[str], None] = lambda _seen: None, deadline: float = DEADLINE
) -> list[Resource]:
    """Delete all resources of a tag, and return them once they are gone.

    What cannot be deleted does not keep the rest from it. Raises StackyardError that names what is left.
    """
    found: list[Resource] = []
    failures: list[str] = []
    for kind in KINDS:
        try:
            found += _of_kind(cloud, kind, prefix(tag), told, deadline)
        except StackyardError as error:
            failures.append(error.message)
    if failures:
        raise StackyardError("not everything could be deleted: " + "; ".join(failures))
    return found


def _of_kind(cloud: Cloud, kind: str, names: str, told: Callable[[str], None], deadline: float) -> list[Resource]:
    """Delete the resources of one kind and wait until none is left."""
    found = cloud.of_kind(kind, names)
    asked: set[str] = set()
    refusals: dict[str, str] = {}

    def left() -> str:
        resources = cloud.of_kind(kind, names)
        for resource in resources:
            if resource.id not in asked:
                _ask(cloud, resource, asked, refusals)
        still = cloud.of_kind(kind, names) if resources else []
        return ", ".join(f"{resource.kind} {resource.name}{refusals.get(resource.id, '')}" for resource in still)

    if found:
        told(f"{len(found)} x {kind}")
        until(left, what=f"deletion of each {kind}", deadline=deadline, told=told)
    return found


def _ask(cloud: Cloud, resource: Resource, asked: set[str], refusals: dict[str, str]) -> None:
    """Ask for deletion; what was refused is asked again, for what it hangs on may go meanwhile."""
    try:
        cloud.delete(resource)
        asked.add(resource.id)
        refusals.pop(resource.id, None)
    except ApiError as error:
        refusals[resource.id] = f" ({error.message})"
