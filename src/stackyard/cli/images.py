"""`stackyard images`: what there is."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import click

from stackyard.catalogue import open_site
from stackyard.cli import _options
from stackyard.images.order import Order, order
from stackyard.images.report import MB, table

GROUPS = ("net.juniper.openstack", "net.juniper.contrail")


@click.command()
@click.option("--registry", metavar="PREFIX", help="Prefix of the image names. [default: the site's]")
@_options.site
@_options.output
def command(registry: str | None, site: str, output: str) -> None:
    """List the images of the site: group, node, tag, size, age, and whether each is up to date, or why not."""
    opened, catalogue = open_site(site)
    prefix = opened.registry if registry is None else registry
    ordered = order(catalogue, list(catalogue.images), registry=prefix, repositories=opened.repositories)
    entries = _entries(ordered)
    if output == "json":
        click.echo(json.dumps(entries, indent=2))
        return
    rows = [
        (
            entry["image"],
            entry["group"],
            entry["node"],
            entry["tag"],
            f"{entry['size'] / MB:.0f} MB" if entry["size"] else "",
            _age(entry["created"]),
            entry["why"] if entry["state"] != "new" else "not built",
        )
        for entry in entries
    ]
    click.echo(table(("IMAGE", "GROUP", "NODE", "TAG", "SIZE", "AGE", "STATE"), rows))


def _entries(ordered: Order) -> list[dict[str, Any]]:
    """One entry an image."""
    entries = []
    for each in ordered.decisions:
        service, image = ordered.catalogue.images[each.image]
        found = ordered.found.get(each.reference)
        entries.append(
            {
                "image": each.image,
                "group": next((service.labels[key] for key in GROUPS if key in service.labels), ""),
                "node": image.node or "",
                "tag": each.reference.rpartition(":")[2],
                "reference": each.reference,
                "size": found.size if found else None,
                "created": found.created if found else None,
                "state": each.state,
                "why": each.why,
            }
        )
    return entries


def _age(created: str | None) -> str:
    """How long ago, in one unit."""
    if not created:
        return ""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(created)).total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
