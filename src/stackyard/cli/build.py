"""`stackyard build`: images, from the structure file."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from stackyard.catalogue import Catalogue, load, open_site
from stackyard.catalogue.problems import Problems
from stackyard.cli import _options
from stackyard.deploy import facts
from stackyard.effects.host import Host
from stackyard.events import Event
from stackyard.guest import guest
from stackyard.images.order import ROOM_MIB, Order, check_sources, completed, execute, order, push, recorded
from stackyard.images.outside import Outside
from stackyard.images.report import Built, decided, listed
from stackyard.images.versions import differences
from stackyard.model.service import Container
from stackyard.model.site import Site
from stackyard.ui import reporter


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("-b", "--base", is_flag=True, help="All base images.")
@click.option("-s", "--sub", is_flag=True, help="All sub images.")
@click.option("-c", "--container", "names", metavar="NAME", multiple=True, help="One image; may be repeated.")
@click.option("--plan", "plan_only", is_flag=True, help="Say what would be built, and why; build nothing.")
@click.option("--push", "push_too", is_flag=True, help="Push the images to their registry afterwards.")
@_options.registry
@click.option("--no-cache", is_flag=True, help="Build everything anew, and reuse no layer.")
@click.option("--refresh", is_flag=True, help="Look for newer Debian packages, and build what has them.")
@_options.site
@_options.output
@click.pass_obj
def command(  # noqa: PLR0917 - click passes what it declares
    host: Host,
    file: Path | None,
    base: bool,
    sub: bool,
    names: tuple[str, ...],
    plan_only: bool,
    push_too: bool,
    registry: str | None,
    no_cache: bool,
    refresh: bool,
    site: str,
    output: str,
) -> None:
    """Build images that are missing or out of date.

    FILE is a structure: a version, and base images with their subs; the release's own, less what is optional and not
    switched on by the site, when it is left out. A build of everything makes the guest of `stackyard verify` too.
    """
    opened, catalogue = open_site(site)
    if file is not None:
        runs = catalogue.structure.version
        again: dict[str, Any] = {"sources": opened.sources, "partial": True}
        catalogue = load(catalogue.root, opened.release, opened.sdn, file, catalogue.own, **again)
        notes = [*catalogue.notes]
        if catalogue.structure.version != runs:
            tag = catalogue.structure.version
            notes.append(f"site {opened.site} runs tag {runs}; `structure: {file}` in its file makes it run {tag}")
        for note in notes:
            click.echo(f"note: {note}", err=True)
    off = switched_off(catalogue, opened) if file is None else set()
    images = selected(catalogue, base=base, sub=sub, names=names, off=off)
    prefix = opened.registry if registry is None else registry
    check_sources(catalogue, images, opened.packages)
    options: dict[str, Any] = {"registry": prefix, "rebuild": no_cache, "repositories": opened.packages}
    before = recorded(host, catalogue)
    ordered = order(host.engine, catalogue, images, versions=before, **options)
    needed = refresh or bool(ordered.wanted)
    with reporter("build", output=output) as report:
        for line in Outside.of(os.environ).told if needed or plan_only else ():
            report(Event("note", "build", line))
        lacks = facts.building(host, _usual(catalogue), ROOM_MIB, report) if needed else Problems()
        if not plan_only:
            lacks.check()
        versions = before
        if refresh or not plan_only:
            versions = completed(host, catalogue, images, report, refresh=refresh, keep=not plan_only)
        if versions != before:
            ordered = order(host.engine, catalogue, images, versions=versions, **options)
        built = [] if plan_only else execute(host, ordered, report, no_cache=no_cache)
        if not (base or sub or names or file or plan_only):
            guest.ensure(host.state, catalogue.base.suite, report)
        pushed = push(host, ordered.decisions, report) if push_too and not plan_only else {}
    if output == "json":
        click.echo(_json(ordered, built, differences(before, versions, ordered.catalogue), pushed))
    else:
        click.echo(decided(ordered.decisions) if plan_only else listed(built, len(ordered.decisions)))
    lacks.check()


def _usual(catalogue: Catalogue) -> dict[str, Container]:
    """The containers of a site that switches nothing on."""
    return {name: each for name, each in catalogue.containers.items() if not each.optional}


def switched_off(catalogue: Catalogue, site: Site) -> set[str]:
    """Images that only containers run which the site has not switched on, or which run another in this site."""
    runs: set[str] = set()
    might: set[str] = set()
    for name, each in catalogue.containers.items():
        might |= each.possible
        if site.runs(name, default=not each.optional):
            runs.add(each.image)
    bases = {catalogue.images[name][1].base for name in runs if name in catalogue.images}
    return might - runs - bases


def selected(
    catalogue: Catalogue, *, base: bool, sub: bool, names: tuple[str, ...], off: Collection[str] = ()
) -> list[str]:
    """The images that are asked for, in the structure's order; when nothing is said, all but those that are ``off``.

    Raises InputError for a name that is not in the structure.
    """
    for name in names:
        catalogue.image(name)
    if not (base or sub or names):
        return [name for name in catalogue.buildable if name not in off]
    wanted = {True: sub, False: base}
    return [name for name, (_, image) in catalogue.images.items() if name in names or wanted[image.base is not None]]


def _json(ordered: Order, built: list[Built], packages: list[str], pushed: dict[str, str]) -> str:
    """Decisions, what was built, what is another version of a Debian package, and digests of what was pushed."""
    images = [
        {"image": each.image, "reference": each.reference, "state": each.state, "why": each.why}
        | {"identity": each.identity.value}
        for each in ordered.decisions
    ]
    told = {"images": images, "built": [asdict(each) for each in built], "packages": packages, "pushed": pushed}
    told["notes"] = list(ordered.catalogue.notes)
    return json.dumps(told, indent=2)
