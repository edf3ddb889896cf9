"""The proof: boots a VM on each compute node, lets them talk, and looks at the wire."""

from __future__ import annotations

import click

from stackyard.catalogue import open_site
from stackyard.cli import _options
from stackyard.deploy.desired import Desired
from stackyard.effects.host import Host
from stackyard.effects.openstack import Api
from stackyard.errors import InputError
from stackyard.ui import reporter
from stackyard.verify import guest
from stackyard.verify.clean import clean
from stackyard.verify.cloud import Cloud
from stackyard.verify.outcome import Outcome
from stackyard.verify.run import verify
from stackyard.verify.target import credentials, target

FAILED = 1
TAG = "run"


def _tag(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not (value.isascii() and value.isalnum() and value.islower()):
        raise click.BadParameter("small letters and digits only")
    return value


@click.command()
@_options.site
@click.option("--keep", is_flag=True, help="Leave the VMs and all that belongs to them.")
@click.option("--clean", "only_clean", is_flag=True, help="Only delete what an earlier run has left.")
@click.option("--tag", default=TAG, show_default=True, callback=_tag, help="Part of the names of all that is made.")
@_options.output
@click.pass_obj
@click.pass_context
def command(
    context: click.Context, host: Host, site: str, *, keep: bool, only_clean: bool, tag: str, output: str
) -> None:
    """Prove the running site: boot a VM on each compute node, ping both ways, capture the tunnel network."""
    model, catalogue = open_site(site)
    wanted = Desired.of(host, model, catalogue)
    if not wanted.state.secrets.exists():
        raise InputError(f"the site {model.site} has no secrets yet", f"bring it up: stackyard up --site {site}")
    resolved = wanted.site
    with reporter(f"verify {model.site}", output=output) as report:
        if only_clean:
            removed = clean(Cloud(Api(credentials(resolved))), tag)
            click.echo("\n".join(f"deleted {thing.kind} {thing.name}" for thing in removed) or "nothing is left")
            return
        what = target(resolved, guest.ensure(host.state, catalogue.base.suite, report), tag)
        outcome = verify(host.engine, what, Api(what.credentials), report, keep=keep)
    click.echo(outcome.as_json() if output == "json" else outcome.as_text())
    _kept(outcome, site)
    if not outcome.passed:
        context.exit(FAILED)


def _kept(outcome: Outcome, site: str) -> None:
    if outcome.kept:
        click.echo(f"kept: {', '.join(outcome.kept)}", err=True)
        click.echo(f"delete them with: stackyard verify --clean --site {site} --tag {outcome.tag}", err=True)
