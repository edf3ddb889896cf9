"""What containers write."""

from __future__ import annotations

from pathlib import Path

import click

from stackyard import __version__
from stackyard.catalogue import open_site
from stackyard.cli import _options
from stackyard.cli._name import named
from stackyard.deploy import archive as archives
from stackyard.deploy.logs import show
from stackyard.effects.host import Host
from stackyard.errors import InputError

SUMMARY = 10.0
"""Seconds between two lines that tell how an archive gets on, where no terminal is."""


@click.command()
@click.argument("container", required=False)
@_options.site
@click.option("--node", help="Only of this node.")
@click.option("-f", "--follow", is_flag=True, help="Go on as they write.")
@click.option("-n", "--tail", default=100, show_default=True, metavar="LINES", help="Begin with the last lines.")
@click.option(
    "--archive",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write all logs, states and the plan into FILE, a .tar.gz without secrets, in place of printing.",
)
@click.pass_obj
def command(
    host: Host, container: str | None, site: str, node: str | None, *, tail: int, archive: Path | None, follow: bool
) -> None:
    """Print the logs of the site, or of one CONTAINER."""
    if not archive:
        show(host.engine, named(host, site), container, node, click.echo, tail=tail, follow=follow)
        return
    if container or node or follow:
        raise InputError("an archive has everything, and is not followed", "leave out CONTAINER, --node and --follow")
    if not archive.absolute().parent.is_dir():
        raise InputError(f"there is no folder {archive.parent}", "make it, or give another file")
    from stackyard.ui import reporter  # noqa: PLC0415 - rich takes long to import

    name = named(host, site)
    try:
        more = archives.told(host, *open_site(site))
    except InputError as error:
        reason = error.message
        more = [("site.txt", lambda: f"the site file cannot be used: {reason}\n")]
    more = [("version.txt", lambda: f"{__version__}\n"), *more]
    with reporter(f"logs {name}", every=SUMMARY) as report:
        count = archives.archive(host, name, archive, more, report)
    click.echo(f"{archive}: {count} files, {archive.stat().st_size / 1e6:.1f} MB; secrets are replaced")
