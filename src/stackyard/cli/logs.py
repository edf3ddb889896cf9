"""What containers write."""

from __future__ import annotations

import click

from stackyard.cli import _options
from stackyard.cli._name import named
from stackyard.deploy.logs import show
from stackyard.effects.host import Host


@click.command()
@click.argument("container", required=False)
@_options.site
@click.option("--node", help="Only of this node.")
@click.option("-f", "--follow", is_flag=True, help="Go on as they write.")
@click.option("-n", "--tail", default=100, show_default=True, metavar="LINES", help="Begin with the last lines.")
@click.pass_obj
def command(host: Host, container: str | None, site: str, node: str | None, tail: int, *, follow: bool) -> None:
    """Print the logs of the site, or of one CONTAINER."""
    show(host.engine, named(host, site), container, node, click.echo, tail=tail, follow=follow)
