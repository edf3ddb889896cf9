"""A site in one file."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from stackyard import __version__
from stackyard.catalogue import open_site, site_path
from stackyard.cli import _options
from stackyard.cli._options import passphrase_in
from stackyard.deploy.check import root
from stackyard.effects.host import Host
from stackyard.errors import InputError

SUMMARY = 10.0
"""Seconds between two lines that tell how it gets on, where no terminal is."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_options.site
@_options.output
@click.option("--encrypt", is_flag=True, help="Encrypt it; the passphrase is asked for.")
@_options.passphrase_file
@click.option("--down", is_flag=True, help="Leave the site down; its data stays.")
@click.pass_obj
def command(
    host: Host, file: Path, site: str, output: str, passphrase_file: Path | None, *, encrypt: bool, down: bool
) -> None:
    """Save the site with its images, data and secrets in FILE, which `stackyard load` makes a site of again.

    VMs are shut down for it, and containers stopped; afterwards they run again. FILE has all secrets of the site, and
    only its owner can read it.
    """
    root(host, "save")
    if not file.absolute().parent.is_dir():
        raise InputError(f"there is no folder {file.absolute().parent}", "make it, or give another file")
    model, catalogue = open_site(site)
    passphrase = passphrase_in(passphrase_file, new=True) if encrypt or passphrase_file else None
    from stackyard.deploy.save import Save  # noqa: PLC0415 - zstd and age, which no other command needs
    from stackyard.ui import reporter  # noqa: PLC0415 - rich takes long to import

    begun = time.monotonic()
    with reporter(f"save {model.site}", output=output, every=SUMMARY) as report:
        work = Save(host, model, catalogue, site_path(site), file, passphrase, __version__)
        runs = work.run(report, stays_down=down)
    took, size = time.monotonic() - begun, file.stat().st_size
    if output == "json":
        data = {"site": model.site, "file": str(file), "bytes": size, "encrypted": bool(passphrase), "runs": runs}
        click.echo(json.dumps({**data, "seconds": round(took, 2)}))
        return
    state = "runs again" if runs else "is down; its data stays"
    kind = "encrypted" if passphrase else "NOT encrypted: it has all secrets of the site"
    click.echo(f"{file}: {size / 1e6:.0f} MB, {kind}; site {model.site} {state} ({took:.1f} s)")
