"""Asks the distribution's mirror which versions apt would install, in a container of the base image."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from stackyard.catalogue import Catalogue
from stackyard.effects.engine import Engine
from stackyard.events import Event, Report
from stackyard.images import base, sources
from stackyard.images.bake import TAIL
from stackyard.images.base import BaseImage
from stackyard.images.failure import BuildError, Failed
from stackyard.images.outside import Outside
from stackyard.images.versions import Record, asked, changes

SUBJECT = "packages"
BASE = ("installed", "upgrade")
"""Requests for what the base image has, and what of it has a newer version."""


@dataclass
class _Answers:
    """What the step ``debian-versions`` says, as it says it."""

    report: Report
    of: dict[str, dict[str, str]] = field(default_factory=dict)
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL))

    def hear(self, line: str) -> None:
        """Take a line of its output."""
        sign, _, rest = line.partition(" ")
        if sign == "==":
            self.of[rest] = {}
            self.report(Event("progress", SUBJECT, rest))
        elif sign == "+":
            name, _, version = rest.partition(" ")
            list(self.of.values())[-1][name] = version
        else:
            self.tail.append(line)


def complete(
    engine: Engine,
    catalogue: Catalogue,
    name: str,
    images: Iterable[str],
    report: Report,
    *,
    before: Record,
    anew: bool,
    build: bool,
) -> Record:
    """The record of a base with an answer to each request of ``images`` that is for it; ``name`` is the base's.

    Only what has no answer is asked for; ``anew`` asks for everything, and says what changed. A base image whose
    packages are not the newest is then made again, unless ``build`` is false. Raises BuildError, InputError.
    """
    own = {image: found[name] for image in images if name in (found := asked(catalogue, image))}
    everything = list(dict.fromkeys(request for each in own.values() for request in each))
    whole = anew or not before.base
    wanted = everything if whole else before.missing(everything)
    if not whole and not wanted:
        return before
    begun = time.monotonic()
    report(Event("started", SUBJECT, "asks the mirror for versions"))
    place = BaseImage(catalogue.bases[name], {} if whole else before.base)
    base.ensure(engine, place, report)
    answers = _ask(engine, place.reference, [*(BASE if whole else ()), *wanted], own, report)
    after = _renewed(engine, place, answers, report, build=build) if whole else before.answered(answers)
    told = changes(before, after, {image: catalogue.image(image) for image in own})
    for line in told or (["nothing is newer"] if anew else []):
        report(Event("note", SUBJECT, line))
    report(Event("done", SUBJECT, f"{len(answers)} requests answered", time.monotonic() - begun))
    return after


def _renewed(
    engine: Engine, place: BaseImage, answers: dict[str, dict[str, str]], report: Report, *, build: bool
) -> Record:
    """A record of nothing but new answers, on a base image with the newest packages, which gets its name."""
    there, newer = (answers.pop(each) for each in BASE)
    newest = {**there, **newer}
    if build and newest != there:
        base.ensure(engine, place, report, anew=True)
        newest = base.versions_in(engine, place.reference)
    if build:
        named = replace(place, versions=newest)
        engine.run("image", "tag", place.reference, named.reference)
    return Record(newest, answers)


def _ask(
    engine: Engine, reference: str, wanted: Sequence[str], asked: Mapping[str, Sequence[str]], report: Report
) -> dict[str, dict[str, str]]:
    """The answer to each request, from one container. Raises BuildError with the images of the one that failed."""
    answers = _Answers(report)
    script = sources.step("debian-versions").text
    outside = Outside.of(os.environ)
    env = {**outside.proxies, "APT_SETTINGS": outside.debian.settings, "MIRROR": outside.debian.rewriting}
    trust = [f"--volume={outside.authorities}:/mnt/ca:ro"] if outside.debian.mirror and outside.authorities else []
    options = [*(f"--env={name}" for name in env), *trust]
    argv = ["run", "--rm", *options, "--entrypoint=/bin/sh", reference, "-c", script, "debian-versions"]
    if engine.stream(*argv, *wanted, on_line=answers.hear, env=env):
        request = list(answers.of)[-1] if answers.of else "apt-get update"
        images = [name for name, own in asked.items() if request in own]
        subject, *blocked = images or [SUBJECT, "all images"]
        names = ", ".join(request.split()[1:]) if images else "their newest versions"
        raise BuildError(Failed(subject, f"Debian packages: {names}", request, tuple(answers.tail), tuple(blocked)))
    return answers.of
