"""What a build is asked for, decided, and done."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from stackyard.catalogue import Catalogue
from stackyard.catalogue.problems import some
from stackyard.effects.engine import Engine
from stackyard.effects.files import write_atomically
from stackyard.effects.host import Host
from stackyard.effects.lock import locked, patient
from stackyard.errors import CommandError, InputError
from stackyard.events import Event, Report
from stackyard.images import base, digests, published
from stackyard.images.bake import bake
from stackyard.images.found import Found, forget_replaced, inspect
from stackyard.images.foundations import Foundation, Foundations, files_of
from stackyard.images.identity import Decision, Identity, decide
from stackyard.images.mirror import complete
from stackyard.images.parts import ContextFile, Recipe
from stackyard.images.recipe import recipe
from stackyard.images.report import Built, record
from stackyard.images.versions import Record, Records, asked, covered
from stackyard.model.release import Distribution
from stackyard.model.site import Repository

ROOM_MIB = 8 * 1024
"""Room that a build of everything takes."""
UNRECORDED = "the versions of its Debian packages are not in a record yet"


@dataclass(frozen=True)
class Order:
    """A build that is decided and not yet done."""

    catalogue: Catalogue
    bases: tuple[base.BaseImage, ...]
    foundations: Foundations
    recipe: Recipe
    decisions: tuple[Decision, ...]
    found: dict[str, Found]

    @property
    def wanted(self) -> list[Decision]:
        """Images that have to be built."""
        return [each for each in self.decisions if each.build]

    def knows(self, image: str, versions: Records) -> bool:
        """Everything that an image is made of is known here, also what a build looks up."""
        published = self.recipe.externals([image]).intersection(self.catalogue.published)
        return covered(versions, self.catalogue, image) and published <= self.found.keys()


def order(
    engine: Engine,
    catalogue: Catalogue,
    images: Sequence[str],
    *,
    registry: str,
    versions: Records,
    rebuild: bool = False,
    downloads: str = "",
    repositories: Mapping[str, Repository] | None = None,
) -> Order:
    """Decide what of ``images`` has to be built, with one question to the engine.

    ``versions`` are those of Debian packages, as `recorded` or `completed` give them. ``rebuild`` builds all of the
    images; ``downloads`` names caches of downloads apart from the usual ones; ``repositories`` are those of the site.
    Raises InputError when an image needs one that the site has not.
    """
    check_sources(catalogue, images, repositories or {})
    bases = {name: base.BaseImage(each, versions[name].base) for name, each in catalogue.bases.items()}
    references = {image: catalogue.reference(image, registry) for image in images}
    found = inspect(engine, [*references.values(), *catalogue.published])
    foundations = Foundations(
        {name: Foundation(each.reference, each.inputs, versions[name]) for name, each in bases.items()},
        uv(),
        {name: found[name] for name in catalogue.published if name in found},
        {name: files_of(each) for name, each in (repositories or {}).items()},
    )
    made = recipe(catalogue, foundations, cache=downloads)
    decisions = []
    for image, name in references.items():
        decision = decide(made, image, name, found[name].labels if name in found else None)
        if not covered(versions, catalogue, image):
            decision = replace(decision, state="changed" if name in found else "new", why=UNRECORDED)
        elif rebuild and not decision.build:
            decision = replace(decision, state="changed", why="asked for")
        decisions.append(decision)
    return Order(catalogue, tuple(bases.values()), foundations, made, tuple(decisions), found)


def check_sources(catalogue: Catalogue, images: Sequence[str], repositories: Mapping[str, Repository]) -> None:
    """Raise InputError when the site names no source of an image's programs, or lacks a package repository of it."""
    lacking = {name: lack for name in images if (lack := catalogue.unnamed(name))}
    if lacking:
        message, remedy = next(iter(lacking.values()))
        raise InputError(f"{message}, for {some(list(lacking))}", remedy)
    for name in images:
        service, image = catalogue.images[name]
        for each in (service.below(image), image):
            if each.repository and each.repository not in repositories:
                raise InputError(
                    f"{name} takes packages from the repository {each.repository}, and the site has none of that name",
                    f"add to the site file: repositories: {{{each.repository}: {{url: …, suite: …, key: FILE}}}}",
                )


def recorded(host: Host, catalogue: Catalogue) -> Records:
    """The versions of Debian packages that were recorded last, for each base of this catalogue."""
    return {name: _read(_record(host, each)) for name, each in catalogue.bases.items()}


def _read(path: Path) -> Record:
    try:
        return Record.parse(path.read_text())
    except OSError:
        return Record()


def completed(
    host: Host, catalogue: Catalogue, images: Sequence[str], report: Report, *, refresh: bool = False, keep: bool = True
) -> Records:
    """The records with the versions of all that ``images`` have; what they lack is asked of the mirror, and kept.

    ``refresh`` asks anew, for all images of the catalogue. Raises InputError, BuildError.
    """
    wanted = list(catalogue.images) if refresh else images
    found = dict(recorded(host, catalogue))
    if not refresh and all(covered(found, catalogue, each) for each in wanted):
        return found
    with locked(host.state / "build" / "lock", "build", patient(report, "build")) if keep else nullcontext():
        for name in dict.fromkeys(name for each in wanted for name in asked(catalogue, each)):
            path = _record(host, catalogue.bases[name])
            before = _read(path)
            after = complete(host.engine, catalogue, name, wanted, report, before=before, anew=refresh, build=keep)
            if keep and after != before:
                write_atomically(path, after.text.encode(), mode=0o644)
            found[name] = after
    return found


def _record(host: Host, distribution: Distribution) -> Path:
    bottom = base.BaseImage(distribution)
    return host.state / "build" / f"packages-{distribution.suite}-{bottom.making}.json"


def uv() -> ContextFile:
    """The uv that comes with this tool: it installs Python packages in build steps and stays out of images."""
    try:
        from uv import find_uv_bin  # noqa: PLC0415 - found out only when it is needed

        return ContextFile(Path(find_uv_bin()), 0o755, metadata.version("uv"))
    except (ImportError, FileNotFoundError, metadata.PackageNotFoundError) as error:
        raise InputError("the Python package uv is not installed", "install the tool with its dependencies") from error


def execute(host: Host, ordered: Order, report: Report, *, no_cache: bool = False) -> list[Built]:
    """Build what has to be built; return what was. Raises InputError, BuildError."""
    wanted = ordered.wanted
    if not wanted:
        return []
    folder = host.state / "build"
    with locked(folder / "lock", "build", patient(report, "build")):
        for decision in wanted:
            report(Event("waiting", decision.image, decision.why))
        ordered = _grounded(host.engine, ordered, report)
        wanted = ordered.wanted
        progress = bake(host.engine, ordered.recipe, wanted, folder / "recipe", report, no_cache=no_cache)
        built = record(wanted, progress, inspect(host.engine, [each.reference for each in wanted]), folder)
    forget_replaced(host.engine)
    return built


def _grounded(engine: Engine, ordered: Order, report: Report) -> Order:
    """The order when the engine has all that its images begin with, and with what only then is known of those."""
    needed = ordered.recipe.externals(each.image for each in ordered.wanted)
    made = [each for each in ordered.bases if each.reference in needed]
    for each in made:
        base.ensure(engine, each, report)
    references = needed.intersection(ordered.catalogue.published)
    if not references:
        return ordered
    architecture = inspect(engine, [made[0].reference])[made[0].reference].architecture
    found = published.ensure(engine, references, architecture, report)
    foundations = replace(ordered.foundations, published={**ordered.foundations.published, **found})
    again = recipe(ordered.catalogue, foundations, cache=ordered.recipe.cache)
    decisions = tuple(replace(each, identity=Identity(again.inputs(each.image))) for each in ordered.decisions)
    return replace(ordered, foundations=foundations, recipe=again, decisions=decisions)


def push(host: Host, decisions: Sequence[Decision], report: Report) -> dict[str, str]:
    """Push images to the registry that their names begin with, and record their digests; returns them by name.

    Raises CommandError at the first that fails.
    """
    found = {}
    for decision in decisions:
        found[decision.reference] = pushed(host.engine, decision.image, decision.reference, report)
        digests.update(host, found)
    return found


def pushed(engine: Engine, image: str, reference: str, report: Report) -> str:
    """Push an image by its name on the engine; returns its digest. Raises CommandError."""
    begun, lines = time.monotonic(), list[str]()
    report(Event("started", image, f"pushing {reference}"))
    if engine.stream("image", "push", reference, on_line=lines.append):
        said = "\n".join(lines[-5:])
        raise CommandError(f"docker image push {reference} failed:\n{said}", "sign in with docker login?")
    digest = inspect(engine, [reference])[reference].digest
    report(Event("done", image, f"pushed {reference}, {digest}", time.monotonic() - begun))
    return digest
