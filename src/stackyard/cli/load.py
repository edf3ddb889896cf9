"""A saved site, here."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import click

from stackyard import __version__
from stackyard.cli import _options
from stackyard.cli._options import passphrase_in
from stackyard.deploy.check import root
from stackyard.effects.host import Host
from stackyard.errors import StackyardError
from stackyard.events import Event

SUMMARY = 10.0
"""Seconds between two lines that tell how it gets on, where no terminal is."""
_NAME = re.compile(r"[a-z][a-z0-9-]{0,20}")


def _name(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _NAME.fullmatch(value):
        raise click.BadParameter(
            f"`{value}` cannot be the name of a site: use up to 21 of a-z, 0-9 and -, a letter first"
        )
    return value


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--as",
    "name",
    metavar="NAME",
    callback=_name,
    help="Load it under another name, with secrets, networks and ports of its own.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    metavar="FOLDER",
    help="Where the file of the site is written, unless the catalogue has the same. [default: this one]",
)
@_options.output
@_options.passphrase_file
@click.pass_obj
def command(
    host: Host, file: Path, name: str | None, folder: Path, output: str, *, passphrase_file: Path | None
) -> None:
    """Make a site of FILE, which `stackyard save` wrote; `stackyard up` then starts it, and its VMs.

    Nothing is downloaded. What is here already of its images is left alone; a site that is here is not touched.
    """
    root(host, "load")
    from stackyard.deploy.load import Load  # noqa: PLC0415 - zstd and age, which no other command needs
    from stackyard.deploy.saved import Reader  # noqa: PLC0415
    from stackyard.ui import reporter  # noqa: PLC0415 - rich takes long to import

    reader = Reader(file)
    if reader.encrypted:
        reader.unlock(passphrase_in(passphrase_file, new=False))
    title = name or reader.head["site"]
    begun = time.monotonic()
    with reporter(f"load {title}", output=output, every=SUMMARY) as report:
        if reader.head["stackyard"] != __version__:
            report(Event("note", title, f"it was saved by stackyard {reader.head['stackyard']}, this is {__version__}"))
        try:
            loaded = Load(host, reader, name, folder).run(report)
        except StackyardError as error:
            error.hint = _options.for_site(error.hint, title)
            raise
    took = time.monotonic() - begun
    if output == "json":
        click.echo(json.dumps({"site": loaded.site, "reference": loaded.reference, "seconds": round(took, 2)}))
        return
    click.echo(
        f"site {loaded.site} is here ({took:.1f} s); to start it: {_options.for_site('stackyard up', loaded.reference)}"
    )
