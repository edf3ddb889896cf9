"""The site taken away."""

from __future__ import annotations

import json

import click

from stackyard.catalogue import Catalogue, open_site
from stackyard.cli import _options
from stackyard.cli._name import named
from stackyard.deploy.check import root
from stackyard.deploy.down import down
from stackyard.effects.host import Host
from stackyard.errors import InputError
from stackyard.ui import reporter


@click.command()
@_options.site
@_options.output
@click.option("--volumes", is_flag=True, help="Remove data, secrets and state too.")
@click.pass_obj
def command(host: Host, site: str, output: str, *, volumes: bool) -> None:
    """Stop and remove the site's containers and networks; data and secrets are kept.

    VMs are shut down for it, as by the button of a machine; `up` starts those again that ran.
    """
    root(host, "down")
    name = named(host, site)
    with reporter(f"down {name}", output=output) as report:
        changed = down(host, name, report, volumes=volumes, catalogue=None if volumes else _catalogue(site))
    if output == "json":
        click.echo(json.dumps({"site": name, "changed": changed, "volumes": volumes}))
    elif changed:
        kept = "" if volumes else "; its data and secrets are kept (--volumes removes them)"
        click.echo(f"site {name} is down{kept}")
    else:
        click.echo(f"nothing to do: there is no site {name} here")


def _catalogue(site: str) -> Catalogue | None:
    """What knows how VMs are shut down; nothing when the site's file cannot be used."""
    try:
        return open_site(site)[1]
    except InputError:
        return None
