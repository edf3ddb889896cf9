"""Content hashes that explain themselves: an image is known by what went into it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from stackyard.images.parts import Recipe, digest

LABEL_IDENTITY = "stackyard.identity"
LABEL_INPUTS = "stackyard.inputs"

State = Literal["new", "changed", "current"]
LEARNT = ("Debian versions of ", "published ")
"""How inputs begin that are not in the catalogue: a build looks them up and records them."""
SHOWN = 4
"""Changed inputs that are named before the rest is counted."""


@dataclass(frozen=True)
class Identity:
    """Hash of an image's inputs, and the inputs."""

    inputs: Mapping[str, str]

    @property
    def value(self) -> str:
        """The identity."""
        return digest(*(f"{name}={value}" for name, value in sorted(self.inputs.items())))[:32]

    @property
    def labels(self) -> dict[str, str]:
        """What the image carries to be recognised and explained."""
        return {LABEL_IDENTITY: self.value, LABEL_INPUTS: json.dumps(self.inputs, separators=(",", ":"))}


@dataclass(frozen=True)
class Decision:
    """Whether an image is built, and why."""

    image: str
    reference: str
    state: State
    why: str
    identity: Identity

    @property
    def build(self) -> bool:
        """It has to be built."""
        return self.state != "current"


def decide(recipe: Recipe, image: str, reference: str, labels: Mapping[str, str] | None) -> Decision:
    """Compare what an image should be with the labels of the one that is there, if any."""
    identity = Identity(recipe.inputs(image))
    if labels is None:
        return Decision(image, reference, "new", "new", identity)
    if labels.get(LABEL_IDENTITY) == identity.value:
        return Decision(image, reference, "current", "up to date", identity)
    why = explain(labels.get(LABEL_INPUTS, ""), identity.inputs) or "changed"
    return Decision(image, reference, "changed", why, identity)


def foreign(identity: Identity, labels: Mapping[str, str], *, recorded: bool) -> str:
    """Why an image that was built elsewhere is not the one that is wanted; empty when it is.

    What only a build knows counts when it is ``recorded`` here; else it is as that image has it.
    """
    if labels.get(LABEL_IDENTITY) == identity.value:
        return ""
    return explain(labels.get(LABEL_INPUTS, ""), identity.inputs, () if recorded else LEARNT)


def explain(before: str, now: Mapping[str, str], unknown: tuple[str, ...] = ()) -> str:
    """Say what differs between the inputs an image was built from (a label) and those of now.

    Inputs that begin with what is ``unknown`` are left out.
    """
    try:
        then = dict(json.loads(before))
    except (ValueError, TypeError):
        return "it was not built by stackyard"
    changes = [
        f"{name} {_change(then.get(name), now.get(name))}"
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name) and not name.startswith(unknown)
    ]
    shown = changes[:SHOWN]
    more = [f"and {len(changes) - SHOWN} more"] if len(changes) > SHOWN else []
    return "; ".join([*shown, *more])


def _change(then: str | None, now: str | None) -> str:
    return "changed" if then and now else "added" if now else "removed"
