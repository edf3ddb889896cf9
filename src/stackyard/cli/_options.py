"""Options that several commands share."""

from __future__ import annotations

import click

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
