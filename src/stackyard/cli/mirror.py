"""`stackyard mirror`: published images, copied into the site's own registry."""

from __future__ import annotations

import json

import click
import yaml

from stackyard.catalogue import open_site
from stackyard.cli import _options
from stackyard.effects.host import Host
from stackyard.images.copied import Copied, below, copy, needed
from stackyard.model.reference import registry as host_of
from stackyard.model.site import Site
from stackyard.table import table
from stackyard.ui import reporter


@click.command()
@_options.registry
@_options.site
@_options.output
@click.pass_obj
def command(host: Host, registry: str | None, site: str, output: str) -> None:
    """Copy the published images that the site needs into its own registry.

    Prints what to write into the site file, so that it takes these very images from there, by digest.
    """
    opened, catalogue = open_site(site)
    prefix = opened.registry if registry is None else registry
    if not host_of(f"{prefix}/image"):
        raise click.UsageError(f"`{prefix}` names no registry: give --registry HOST:PORT, or `registry:` in the site")
    wanted = needed(catalogue, opened)
    with reporter("mirror", output=output) as report:
        found = list(copy(host, wanted, prefix, report))
    sources = _sources(opened, found, prefix)
    if output == "json":
        click.echo(json.dumps({"images": [each._asdict() for each in found], "sources": sources}, indent=2))
    elif found:
        click.echo(table(("IMAGE", "COPY"), [(each.name, each.reference) for each in found]))
        click.echo(f"\nIn the site file:\n\n{yaml.safe_dump({'sources': sources}, sort_keys=False).rstrip()}")
    else:
        click.echo("nothing to do: the site takes nothing from published images")


def _sources(site: Site, copied: list[Copied], registry: str) -> dict[str, dict[str, object]]:
    """The sources of a site as its file is to name them."""
    found: dict[str, dict[str, object]] = {}
    for each in copied:
        source = site.sources[each.source]
        made = found.setdefault(each.source, {"images": below(registry, source.images or "")})
        if source.prefix is not None:
            made["prefix"] = source.prefix
        digests = made.setdefault("digests", {})
        assert isinstance(digests, dict)  # noqa: S101 - made here
        digests[each.name] = each.digest
    return found
