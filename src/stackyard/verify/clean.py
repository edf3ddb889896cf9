"""Deletes what the proof has made, whoever was interrupted in making it: it is known by its name."""

from __future__ import annotations

from collections.abc import Callable

from stackyard.effects.openstack import ApiError
from stackyard.verify.cloud import Cloud, OutOfTimeError, Resource
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
    cleaner = _Cleaner(cloud, prefix(tag))
    until(cleaner.left, what="deletion of what was made", deadline=deadline, told=told)
    return list(cleaner.found.values())


class _Cleaner:
    """Asks for the deletion of all that has such a name, again and again, until nothing of it is left."""

    def __init__(self, cloud: Cloud, names: str) -> None:
        self.found: dict[str, Resource] = {}
        self._cloud = cloud
        self._names = names
        self._asked: set[str] = set()

    def left(self) -> str:
        """Ask for what is not asked for yet, and return what is left, with the reasons."""
        there: set[str] = set()
        left: list[str] = []
        for kind, where in self._cloud.kinds.items():
            try:
                resources = self._cloud.of_kind(kind, self._names)
                there |= {kind} if resources else set()
                self.found |= {each.id: each for each in resources}
                held = where.held_by in there
                left += [f"{kind} {each.name}{'' if held else self._refusal(each)}" for each in resources]
            except ApiError as error:
                left.append(error.message)
            except OutOfTimeError as error:
                raise OutOfTimeError("; ".join([error.message, *left])) from error
        return ", ".join(left)

    def _refusal(self, resource: Resource) -> str:
        """Ask for a deletion once; one that was refused is asked for again, for what it hangs on may go meanwhile."""
        if resource.id not in self._asked:
            try:
                self._cloud.delete(resource)
            except ApiError as error:
                return f" ({error.message})"
            self._asked.add(resource.id)
        return ""
