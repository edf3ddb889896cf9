"""What an image's variables are."""

from __future__ import annotations

import click

from stackyard.catalogue import open_site
from stackyard.catalogue.container import container_json
from stackyard.cli import _options
from stackyard.entrypoint.container import Container
from stackyard.entrypoint.explain import as_json, as_text
from stackyard.entrypoint.failure import Failure
from stackyard.errors import InputError


@click.command()
@click.argument("image")
@click.argument("variable", required=False)
@_options.site
@_options.output
def command(image: str, variable: str | None, site: str, output: str) -> None:
    """Show the environment variables that an image takes, or one at length.

    The image itself prints the same: docker run --rm IMAGE explain.
    """
    _, catalogue = open_site(site)
    container = Container(container_json(catalogue, image), "")
    try:
        text = as_json(container, variable) if output == "json" else as_text(container, variable)
    except Failure as failure:
        raise InputError("\n".join(failure.lines)) from failure
    click.echo(text, nl=False)
