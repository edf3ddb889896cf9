"""Options that several commands share."""

from __future__ import annotations

import click

from stackyard.model.reference import prefix


def _prefix(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    try:
        return value and prefix(value)
    except ValueError as error:
        raise click.BadParameter(f"`{value}` does not fit: {error}") from error


site = click.option(
    "--site",
    metavar="NAME|FILE",
    default="demo",
    show_default=True,
    help="The site: a name, or its file.",
)

output = click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Form of what is printed.",
)

registry = click.option(
    "--registry", metavar="PREFIX", callback=_prefix, help="Prefix of the image names. [default: the site's]"
)
