"""Images as the engine knows them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stackyard.effects.engine import Engine
from stackyard.errors import InputError
from stackyard.images.identity import LABEL_IDENTITY


@dataclass(frozen=True)
class Found:
    """An image of the engine.

    ``size`` is in bytes; ``layers`` are the hashes of its layers from below; ``command`` is its entrypoint with its
    arguments; ``variables`` are the names of its environment; ``digest`` is that of its manifest, empty when it was
    neither pushed nor pulled.
    """

    reference: str
    identifier: str
    created: str
    size: int
    layers: tuple[str, ...]
    labels: dict[str, str]
    architecture: str = ""
    command: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    digest: str = ""


def inspect(engine: Engine, references: Sequence[str]) -> dict[str, Found]:
    """Those of the images that the engine has, by name; one question."""
    if not references:
        return {}
    asked = engine.look("image", "inspect", *references)
    try:
        answer: list[dict[str, Any]] = json.loads(asked.stdout)
    except ValueError:
        answer = []
    if not answer and "No such image" not in asked.stderr:
        engine.info  # noqa: B018 - says what is wrong when there is none
        raise InputError(
            f"the engine does not tell its images: {asked.stderr.strip()}",
            "the reason is in the log of the Docker engine: journalctl -u docker",
        )
    named = ((name, data) for data in answer for key in ("RepoTags", "RepoDigests") for name in data.get(key) or ())
    return {name: _found(name, data) for name, data in named if name in references}


def repository(reference: str) -> str:
    """The name of an image without its tag or digest."""
    name, mark, _digest = reference.partition("@")
    return name if mark else reference.rpartition(":")[0]


def forget_replaced(engine: Engine) -> None:
    """Remove images of ours that have lost their name to newer ones, unless a container uses them."""
    engine.attempt("image", "prune", "--force", "--filter", f"label={LABEL_IDENTITY}")


def _found(name: str, data: dict[str, Any]) -> Found:
    config = data.get("Config") or {}
    digests = dict(each.split("@", 1) for each in data.get("RepoDigests") or ())
    return Found(
        reference=name,
        identifier=data["Id"],
        created=data["Created"],
        size=int(data["Size"]),
        layers=tuple((data.get("RootFS") or {}).get("Layers") or ()),
        labels=config.get("Labels") or {},
        architecture=data.get("Architecture") or "",
        command=(*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())),
        variables=tuple(each.partition("=")[0] for each in config.get("Env") or ()),
        digest=digests.get(repository(name), ""),
    )
