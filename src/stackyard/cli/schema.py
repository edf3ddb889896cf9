"""JSON Schemas of the files that people write."""

from __future__ import annotations

from pathlib import Path

import click

from stackyard.catalogue.schema import MODELS, schema_text, write_schemas


@click.command()
@click.argument("name", type=click.Choice(list(MODELS)), default="site")
@click.option(
    "--write",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write all of them into a folder instead, as in docs/schema.",
)
def command(name: str, write: Path | None) -> None:
    """Print the JSON Schema of a kind of file, for editors and checks."""
    if write is None:
        click.echo(schema_text(name), nl=False)
        return
    for file in write_schemas(write):
        click.echo(file)
