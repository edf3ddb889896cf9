"""What a recipe is made of: files of the build context, instructions, stages. Values only."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

MOUNT = re.compile(r"--mount=\S+ ")


def digest(*parts: bytes | str) -> str:
    """SHA-256 of the parts, each with its length, so that no two lists of parts have the same."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(f"{len(data)}:".encode())
        total.update(data)
    return total.hexdigest()


@dataclass(frozen=True)
class ContextFile:
    """A file of the build context.

    Content is given as bytes, or as a path with a ``version`` that stands for the content.
    """

    content: bytes | Path
    mode: int = 0o644
    version: str = ""

    @cached_property
    def digest(self) -> str:
        """Hash of content and mode."""
        content = self.version or self.content
        return digest(content.read_bytes() if isinstance(content, Path) else content, oct(self.mode))

    @property
    def text(self) -> str:
        """Content as text."""
        return (self.content if isinstance(self.content, bytes) else self.content.read_bytes()).decode()


@dataclass(frozen=True)
class Instruction:
    """One instruction of a stage.

    ``says`` is what it does in words; ``inputs`` names what it depends on, with hashes.
    """

    text: str
    says: str
    inputs: Mapping[str, str]

    @property
    def counts(self) -> bool:
        """BuildKit numbers it: it makes a layer."""
        return self.text.startswith(("RUN ", "COPY "))

    @property
    def command(self) -> str:
        """The text without its mounts, for people."""
        return MOUNT.sub("", self.text)


@dataclass(frozen=True)
class Stage:
    """A stage of the Dockerfile.

    ``source`` is a stage or, when ``external``, an image of the engine, made from ``inputs``.
    """

    name: str
    source: str
    instructions: tuple[Instruction, ...]
    uses: tuple[str, ...] = ()
    external: bool = False
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The stage as it stands in the Dockerfile."""
        return "\n".join([f"FROM {self.source} AS {self.name}", *(each.text for each in self.instructions), ""])

    def instruction(self, number: int) -> Instruction | None:
        """The instruction that BuildKit counts as ``number``; None for FROM."""
        counted = [each for each in self.instructions if each.counts]
        index = number - (2 if self.external else 1)
        return counted[index] if 0 <= index < len(counted) else None


@dataclass(frozen=True)
class Recipe:
    """Everything that BuildKit is given, before it is written anywhere.

    ``images`` are the stages that are images; ``context`` is path -> file.
    """

    stages: Mapping[str, Stage]
    images: tuple[str, ...]
    context: Mapping[str, ContextFile]
    cache: str = ""
    _closures: dict[str, dict[str, None]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def dockerfile(self) -> str:
        """Text of the Dockerfile."""
        return "\n".join(stage.text for stage in self.stages.values()).replace("@cache@", self.cache)

    def closure(self, stage: str) -> Iterable[str]:
        """Names of the stages that a stage is made from, itself the last."""
        if stage not in self._closures:
            own = self.stages[stage]
            needed = (*([] if own.external else [own.source]), *own.uses)
            self._closures[stage] = {name: None for each in needed for name in self.closure(each)} | {stage: None}
        return self._closures[stage]

    def externals(self, images: Iterable[str]) -> set[str]:
        """The images of the engine that images are made from."""
        stages = (self.stages[name] for image in images for name in self.closure(image))
        return {stage.source for stage in stages if stage.external}

    def inputs(self, image: str) -> dict[str, str]:
        """Name -> hash of everything that an image depends on."""
        found: dict[str, list[str]] = {}
        for stage in (self.stages[name] for name in self.closure(image)):
            for inputs in (stage.inputs, *(each.inputs for each in stage.instructions)):
                for name, value in inputs.items():
                    found.setdefault(name, []).append(value)
        return {name: digest(*values)[:12] for name, values in sorted(found.items())}
