"""`stackyard build`: images, from the structure file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from stackyard.catalogue import Catalogue, catalogue_root, load, open_site
from stackyard.cli import _options
from stackyard.effects.state import state_directory
from stackyard.images.order import Order, execute, order, push
from stackyard.images.report import Built, decided, listed
from stackyard.ui import reporter
from stackyard.verify import guest


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("-b", "--base", is_flag=True, help="All base images.")
@click.option("-s", "--sub", is_flag=True, help="All sub images.")
@click.option("-c", "--container", "names", metavar="NAME", multiple=True, help="One image; may be repeated.")
@click.option("--plan", "plan_only", is_flag=True, help="Say what would be built, and why; build nothing.")
@click.option("--push", "push_too", is_flag=True, help="Push the images to their registry afterwards.")
@click.option("--registry", metavar="PREFIX", help="Prefix of the image names. [default: the site's]")
@click.option("--no-cache", is_flag=True, help="Build everything anew, and reuse no layer.")
@_options.site
@_options.output
def command(  # noqa: PLR0917 - click passes what it declares
    file: Path | None,
    base: bool,
    sub: bool,
    names: tuple[str, ...],
    plan_only: bool,
    push_too: bool,
    registry: str | None,
    no_cache: bool,
    site: str,
    output: str,
) -> None:
    """Build images that are missing or out of date.

    FILE is a structure: a version, and base images with their subs; the release's own when it is left out.
    A build of everything makes the guest of `stackyard verify` too.
    """
    opened, catalogue = open_site(site)
    if file is not None:
        catalogue = load(catalogue_root(), opened.release, opened.sdn, structure=file)
    images = selected(catalogue, base=base, sub=sub, names=names)
    prefix = opened.registry if registry is None else registry
    ordered = order(catalogue, images, registry=prefix, rebuild=no_cache, repositories=opened.repositories)
    if plan_only:
        click.echo(_json(ordered, []) if output == "json" else decided(ordered.decisions))
        return
    with reporter("build", output=output) as report:
        built = execute(ordered, report, no_cache=no_cache)
        if len(images) == len(catalogue.images) and file is None:
            guest.ensure(state_directory(), catalogue.base.suite, report)
        if push_too:
            push(ordered.decisions, report)
    click.echo(_json(ordered, built) if output == "json" else listed(built, len(ordered.decisions)))


def selected(catalogue: Catalogue, *, base: bool, sub: bool, names: tuple[str, ...]) -> list[str]:
    """The images that are asked for, in the structure's order; all when nothing is said.

    Raises InputError for a name that is not in the structure.
    """
    for name in names:
        catalogue.image(name)
    if not (base or sub or names):
        return list(catalogue.images)
    wanted = {True: sub, False: base}
    return [name for name, (_, image) in catalogue.images.items() if name in names or wanted[image.base is not None]]


def _json(ordered: Order, built: list[Built]) -> str:
    """Decisions and what was built."""
    images = [
        {"image": each.image, "reference": each.reference, "state": each.state, "why": each.why}
        | {"identity": each.identity.value}
        for each in ordered.decisions
    ]
    return json.dumps({"images": images, "built": [asdict(each) for each in built]}, indent=2)
