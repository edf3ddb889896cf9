"""The build itself: the recipe written down, `docker buildx bake` run on it, its progress turned into events."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from stackyard.effects.engine import Engine
from stackyard.events import Event, Report
from stackyard.images.failure import BuildError, Failed
from stackyard.images.identity import Decision
from stackyard.images.outside import Outside
from stackyard.images.parts import ContextFile, Instruction, Recipe, Stage

VERTEX = re.compile(r"^\[(?:\S+ )??(?P<stage>\S+) +(?P<number>\d+)/\d+\] ")
TAIL = 40
"""Lines of a step's output that are kept for the case that it fails."""


def bake_file(
    recipe: Recipe, decisions: Iterable[Decision], outside: Outside, *, no_cache: bool = False
) -> dict[str, Any]:
    """The bake file: a target for each image that is built."""
    secrets = [f"id={name},src={name}" for name in _secrets(recipe, outside)]
    return {
        "target": {
            decision.image: {
                "context": "context",
                "dockerfile": "../Dockerfile",
                "target": decision.image,
                "tags": [decision.reference],
                "labels": decision.identity.labels,
                "secret": secrets,
                "args": dict(outside.proxies),
                **({"no-cache": True} if no_cache else {}),
            }
            for decision in decisions
            if decision.image in recipe.images
        }
    }


def _secrets(recipe: Recipe, outside: Outside) -> dict[str, bytes]:
    """Name -> content of the secrets that the build is given: those that a step of it mounts."""
    files = {"ca": outside.authorities, "settings": outside.maven}
    secrets = {name: path.read_bytes() for name, path in files.items() if path}
    words = {"index": outside.index or "", "apt": outside.debian.settings, "mirror": outside.debian.rewriting}
    secrets |= {name: word.encode() for name, word in words.items() if word}
    text = recipe.dockerfile
    return {name: content for name, content in secrets.items() if f"id={name}," in text}


def bake(
    engine: Engine,
    recipe: Recipe,
    decisions: list[Decision],
    folder: Path,
    report: Report,
    *,
    no_cache: bool = False,
) -> Progress:
    """Build images. Raises BuildError when a step fails."""
    outside = Outside.of(os.environ)
    with _written(recipe, bake_file(recipe, decisions, outside, no_cache=no_cache), _secrets(recipe, outside), folder):
        progress = Progress(recipe, [decision.image for decision in decisions], report)
        images = [decision.image for decision in decisions]
        argv = ["buildx", "bake", "--file", "bake.json", "--progress=rawjson", *images]
        env = {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
        code = engine.stream(*argv, on_line=progress.feed, cwd=folder, env=env)
    if code:
        raise BuildError(progress.failure())
    return progress


@contextmanager
def _written(recipe: Recipe, targets: dict[str, Any], secrets: dict[str, bytes], folder: Path) -> Iterator[None]:
    """The recipe as files below ``folder``; secrets are there only as long as they are needed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Dockerfile").write_text(recipe.dockerfile)
    (folder / "bake.json").write_text(json.dumps(targets, indent=1))
    _synchronise(folder / "context", recipe.context)
    try:
        for name, content in secrets.items():
            path = folder / name
            path.touch(mode=0o600)
            path.write_bytes(content)
        yield
    finally:
        for name in secrets:
            (folder / name).unlink(missing_ok=True)


def _synchronise(folder: Path, files: Mapping[str, ContextFile]) -> None:
    """Make a directory hold exactly these files; those that are the same are left alone."""
    for path in sorted(folder.rglob("*"), reverse=True) if folder.exists() else []:
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif str(path.relative_to(folder)) not in files:
            path.unlink()
    for name, file in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(file.content, Path):
            if not path.exists() or path.stat().st_mtime_ns != file.content.stat().st_mtime_ns:
                shutil.copy2(file.content, path)
        elif not path.exists() or path.read_bytes() != file.content:
            path.write_bytes(file.content)
        path.chmod(file.mode)


@dataclass
class Vertex:
    """A step as BuildKit tells of it."""

    name: str
    stage: Stage | None
    number: int
    started: datetime | None = None
    completed: datetime | None = None
    cached: bool = False
    error: str = ""
    log: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL))
    _begun: str = ""
    _speaker: str = ""

    def said(self, digest: str, text: str) -> None:
        """Take a piece of output; lines come in pieces of any length, and again for every image that needs the step."""
        self._speaker = self._speaker or digest
        if digest != self._speaker:
            return
        *lines, self._begun = (self._begun + text).split("\n")
        self.log.extend(line.rpartition("\r")[2] for line in lines if line.strip())

    @property
    def lines(self) -> tuple[str, ...]:
        """The last lines of its output."""
        return (*self.log, *([self._begun] if self._begun.strip() else []))

    @property
    def instruction(self) -> Instruction | None:
        """What the recipe calls it."""
        return self.stage.instruction(self.number) if self.stage else None

    @property
    def seconds(self) -> float:
        """How long it ran."""
        return (self.completed - self.started).total_seconds() if self.started and self.completed else 0.0


class Progress:
    """Reads what ``--progress=rawjson`` prints and reports it.

    BuildKit tells of a step once for every image that needs it; here it is one step.
    """

    def __init__(self, recipe: Recipe, images: list[str], report: Report) -> None:
        self._recipe = recipe
        self._images = images
        self._report = report
        self._pending: list[str] = []
        self._vertices: dict[str, Vertex] = {}  # by digest; steps of a stage are the same object under each
        self._steps: dict[tuple[str, int], Vertex] = {}
        self._text: deque[str] = deque(maxlen=TAIL)
        self._finished: set[str] = set()

    def feed(self, line: str) -> None:
        """Take a line of output: a part of a JSON document, or words."""
        if not self._pending and not line.startswith("{"):
            self._text.append(line)
            return
        self._pending.append(line)
        if not line.endswith("}") or (len(self._pending) > 1 and line != "}"):
            return
        try:
            document = json.loads("\n".join(self._pending))
        except ValueError:
            return
        self._pending.clear()
        self._take(document)

    def _take(self, document: Mapping[str, Any]) -> None:
        for data in document.get("vertexes") or ():
            self._vertex(data)
        for log in document.get("logs") or ():
            vertex = self._vertices.get(log["vertex"])
            if vertex:
                vertex.said(log["vertex"], base64.b64decode(log.get("data") or "").decode(errors="replace"))

    def _known(self, data: Mapping[str, Any]) -> Vertex:
        """The step that a vertex is, whichever image it is told for."""
        if data["digest"] in self._vertices:
            return self._vertices[data["digest"]]
        name = data.get("name") or ""
        found = VERTEX.match(name)
        stage = self._recipe.stages.get(found["stage"]) if found else None
        vertex = Vertex(name, stage, int(found["number"]) if found else 0)
        if stage and vertex.instruction:
            vertex = self._steps.setdefault((stage.name, vertex.number), vertex)
        self._vertices[data["digest"]] = vertex
        return vertex

    def _vertex(self, data: Mapping[str, Any]) -> None:
        vertex = self._known(data)
        if vertex.completed:
            return
        if data.get("started") and not vertex.started:
            vertex.started = _time(data["started"])
            if not data.get("completed"):
                self._began(vertex)
        vertex.cached = bool(data.get("cached"))
        vertex.error = data.get("error") or ""
        if data.get("completed"):
            vertex.completed = _time(data["completed"])
            self._ended(vertex)

    def _began(self, vertex: Vertex) -> None:
        if vertex.stage and vertex.instruction and vertex.instruction.text.startswith("RUN "):
            self._report(Event("progress", subject(vertex.stage.name), vertex.instruction.says))

    def _ended(self, vertex: Vertex) -> None:
        """A stage is over when all its steps are."""
        stage = vertex.stage
        if stage is None or vertex.error or stage.name in self._finished:
            return
        own = [each for each in self._steps.values() if each.stage is stage]
        if len(own) < sum(each.counts for each in stage.instructions) or not all(each.completed for each in own):
            return
        self._finished.add(stage.name)
        if stage.name != subject(stage.name) and subject(stage.name) in self._images:
            return
        name = subject(stage.name)
        family = [each for each in self._steps.values() if each.stage and subject(each.stage.name) == name]
        cached = sum(each.cached for each in family)
        if cached == len(family):
            self._report(Event("unchanged", name, "cached"))
            return
        message = f"{cached} of {len(family)} steps cached" if cached else ""
        self._report(Event("done", name, message, sum(each.seconds for each in family)))

    def steps(self, image: str) -> tuple[int, int, float]:
        """Of an image's own stages: steps, those cached, seconds."""
        stages = {image, f"{image}.body", f"{image}.database"}
        own = [each for each in self._steps.values() if each.stage and each.stage.name in stages]
        return len(own), sum(each.cached for each in own), sum(each.seconds for each in own if not each.cached)

    def failure(self) -> Failed:
        """What went wrong first, and what it keeps from being built."""
        broken = [each for each in self._vertices.values() if each.error and "context canceled" not in each.error]
        vertex = broken[0] if broken else None
        if vertex is None or vertex.stage is None:
            said = vertex.error if vertex else "\n".join(self._text)
            return Failed("the build", "", "", (*(vertex.lines if vertex else ()), said), ())
        stage = vertex.stage.name
        blocked = [image for image in self._images if stage in self._recipe.closure(image) and image != subject(stage)]
        instruction = vertex.instruction
        text = instruction.text if instruction else vertex.name
        line = self._recipe.dockerfile.split(text.replace("@cache@", self._recipe.cache))[0].count("\n") + 1
        return Failed(
            subject(stage),
            instruction.says if instruction else vertex.name,
            f"Dockerfile:{line}: {instruction.command if instruction else text}",
            vertex.lines or (vertex.error,),
            tuple(blocked),
        )


def subject(stage: str) -> str:
    """The name under which a stage is reported: its image's, for the stages of an image."""
    return stage.removesuffix(".body").removesuffix(".database")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
