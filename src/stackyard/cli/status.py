"""The site as it is."""

from __future__ import annotations

import json
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table

from stackyard.cli import _options
from stackyard.cli._site import opened
from stackyard.deploy.desired import Desired
from stackyard.deploy.status import Row, status
from stackyard.effects.host import Host

_STYLES = {"yes": "green", "done": "green", "no": "red"}


@click.command()
@_options.site
@_options.output
@click.pass_obj
def command(host: Host, site: str, output: str) -> None:
    """Show nodes and containers, their state, and whether they are ready."""
    model, catalogue, where = opened(site)
    rows = status(host.engine, Desired.of(host, model, catalogue, where).site)
    if output == "json":
        click.echo(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        _show(rows)
    if not all(row.ready in {"yes", "done"} for row in rows):
        raise SystemExit(1)


def _show(rows: list[Row]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("NODE", "CONTAINER", "STATE", "READY", "SINCE", "IMAGE"):
        table.add_column(title, no_wrap=True)
    for row in rows:
        ready = f"[{_STYLES.get(row.ready, 'yellow')}]{row.ready}[/]"
        table.add_row(row.node, row.container, row.state, ready, row.since, row.image)
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(table)
