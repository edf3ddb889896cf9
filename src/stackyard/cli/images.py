"""`stackyard images`: what there is."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import click

from stackyard.catalogue import open_site
from stackyard.cli import _options
from stackyard.effects.host import Host
from stackyard.images.order import Order, order, recorded
from stackyard.images.report import MB
from stackyard.table import ago, table


@click.command()
@_options.registry
@_options.site
@_options.output
@click.pass_obj
def command(host: Host, registry: str | None, site: str, output: str) -> None:
    """List the images of the site: group, tag, size, age, and whether each is up to date, or why not."""
    opened, catalogue = open_site(site)
    prefix = opened.registry if registry is None else registry
    ordered = order(
        host.engine,
        catalogue,
        catalogue.buildable,
        registry=prefix,
        versions=recorded(host, catalogue),
        repositories=opened.packages,
    )
    entries = _entries(ordered)
    if output == "json":
        click.echo(json.dumps(entries, indent=2))
        return
    rows = [
        (
            entry["image"],
            ", ".join(entry["groups"]),
            entry["tag"],
            f"{entry['size'] / MB:.0f} MB" if entry["size"] else "",
            ago(datetime.fromisoformat(entry["created"])) if entry["created"] else "",
            entry["why"] if entry["state"] != "new" else "not built",
        )
        for entry in entries
    ]
    click.echo(table(("IMAGE", "GROUP", "TAG", "SIZE", "AGE", "STATE"), rows))


def _entries(ordered: Order) -> list[dict[str, Any]]:
    """One entry an image."""
    entries = []
    groups: dict[str, set[str]] = {}
    for container in ordered.catalogue.containers.values():
        groups.setdefault(container.image, set()).add(container.group)
    for each in ordered.decisions:
        service, image = ordered.catalogue.images[each.image]
        found = ordered.found.get(each.reference)
        entries.append(
            {
                "image": each.image,
                "groups": sorted(groups.get(each.image, ())),
                "labels": {**service.labels, **image.labels},
                "tag": each.reference.rpartition(":")[2],
                "reference": each.reference,
                "size": found.size if found else None,
                "created": found.created if found else None,
                "digest": (found.digest or None) if found else None,
                "state": each.state,
                "why": each.why,
            }
        )
    return entries
