"""Images that somebody else has published, with our entrypoint, contract and labels on top.

Nothing of the published image is relied on: the entrypoint comes with an interpreter of its own, which is on no path
of the image's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from stackyard.effects.engine import Engine
from stackyard.errors import CommandError, InputError
from stackyard.events import Event, Report
from stackyard.images import sources
from stackyard.images.found import Found, inspect
from stackyard.images.parts import Instruction, digest
from stackyard.model.service import Published

FOLDER = "/opt/stackyard/runtime"
PYTHON = f"{FOLDER}/bin/python3"
ROOT = "0:0"
"""With its group, or BuildKit looks for it in an /etc/passwd that need not be there."""
ENTRYPOINT = [f"{FOLDER}/bin/tini", "-s", "--", sources.ENTRYPOINT]


def inputs(image: Published, found: Mapping[str, Found]) -> dict[str, str]:
    """What a published image adds to the identity of ours: its name, and with a tag what is below that now."""
    now = found[image.reference].identifier if image.tag and image.reference in found else ""
    return {f"published {image.image}": digest(image.reference, now)}


def ground(runtime: str) -> Iterator[Instruction]:
    """The first instructions on a published image; ``runtime`` is the stage with the interpreter."""
    yield Instruction(f"COPY --from={runtime} /opt/stackyard/ /opt/stackyard/", "an interpreter", {})
    yield Instruction(f"USER {ROOT}", "settings", {})


def settings(name: str, user: int, labels: str) -> Iterator[Instruction]:
    """A run of the entrypoint, which ends the build where it cannot work; then user, entrypoint and labels."""
    text = "\n".join([f"ENTRYPOINT {json.dumps(ENTRYPOINT)}", labels])
    says = f"whether the entrypoint works on the published image of {name}"
    yield Instruction(f"RUN {json.dumps([sources.ENTRYPOINT, 'help'])}", says, {})
    yield Instruction(f"USER {user}:{user}\n{text}", "settings", {f"settings of {name}": digest(str(user), text)})


def handed_over(data: Mapping[str, Any], found: Found) -> dict[str, Any]:
    """``container.json`` with what the published image says: its process, and variables that are its own."""
    command = data["command"] or [word.replace("{", "{{ '{' }}") for word in found.command]  # words, no expressions
    return {**data, "command": command, "known": sorted({*data["known"], *found.variables})}


def ensure(engine: Engine, references: Iterable[str], architecture: str | None, report: Report) -> dict[str, Found]:
    """Published images as the engine has them, for any architecture or one; those that it has not are pulled.

    Raises CommandError when one cannot be pulled, InputError when one is for another architecture.
    """
    wanted = sorted(references)
    found = inspect(engine, wanted)
    for reference in wanted:
        if reference in found:
            continue
        report(Event("started", reference, "pulling the published image"))
        pulled = engine.attempt("image", "pull", "--quiet", reference)
        if pulled.code:
            said = pulled.stderr.strip()
            hint = "correct `published:` of the image that it is for, or sign in with docker login"
            raise CommandError(f"the published image {reference} cannot be pulled: {said}", hint)
    found = found if len(found) == len(wanted) else inspect(engine, wanted)
    for reference in wanted:
        if reference not in found:
            raise InputError(f"the engine has {reference} by another name", "write it as `docker image ls` shows it")
        own = found[reference].architecture
        if architecture and own != architecture:
            raise InputError(
                f"the published image {reference} is for {own}, and this engine for {architecture}",
                "name one that is published for this architecture",
            )
    return found
