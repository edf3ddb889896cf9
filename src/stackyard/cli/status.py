"""The site as it is."""

from __future__ import annotations

import json
import os
from dataclasses import asdict

import click

from stackyard.catalogue import open_site
from stackyard.cli import _options
from stackyard.cli._name import named
from stackyard.deploy.desired import Desired
from stackyard.deploy.status import Row, found, status
from stackyard.effects.host import Host
from stackyard.errors import InputError
from stackyard.table import table

_COLOURS = {"yes": "green", "done": "green", "no": "red"}
_HEADS = ("NODE", "CONTAINER", "STATE", "READY", "SINCE", "IMAGE")


@click.command()
@_options.site
@_options.output
@click.pass_obj
def command(host: Host, site: str, output: str) -> None:
    """Show nodes and containers, their state, and whether they are ready."""
    rows = _rows(host, site)
    if output == "json":
        click.echo(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        cells = [{**asdict(row), "ready": click.style(row.ready, _COLOURS.get(row.ready, "yellow"))} for row in rows]
        heads = [click.style(head, bold=True) for head in _HEADS]
        color = False if os.environ.get("NO_COLOR") else None
        click.echo(table(heads, [tuple(each[head.lower()] for head in _HEADS) for each in cells]), color=color)
        for row in rows:
            if row.lacks:
                click.echo(f"{row.node}/{row.container}: " + row.lacks.replace("\n", "\n  "))
    if not all(row.ready in {"yes", "done"} for row in rows):
        raise SystemExit(1)


def _rows(host: Host, site: str) -> list[Row]:
    """What should be there, and how it is; of a site that cannot be resolved, what the engine has."""
    try:
        return status(host, Desired.of(host, *open_site(site)).site)
    except InputError as error:
        rows = found(host.engine, named(host, site))
        if not rows:
            raise
        why = ": ".join(line.strip() for line in error.message.splitlines()[:2])
        click.echo(f"note: what should be there, and whether it is ready, cannot be told: {why}", err=True)
        return rows
