"""The proof: boots a VM on each compute node, lets them talk, and looks at the wire."""

from __future__ import annotations

import time
from dataclasses import replace

import click

from stackyard.catalogue import open_site
from stackyard.cli import _options
from stackyard.deploy.desired import Desired
from stackyard.deploy.status import troubles
from stackyard.effects.host import Host
from stackyard.effects.openstack import Api
from stackyard.effects.signals import stoppable
from stackyard.errors import InputError
from stackyard.guest import guest
from stackyard.ui import reporter
from stackyard.verify.capture import end_left
from stackyard.verify.clean import DEADLINE as CLEANING
from stackyard.verify.clean import clean, prefix
from stackyard.verify.cloud import Cloud
from stackyard.verify.run import DEADLINE, verify
from stackyard.verify.target import credentials, has_volumes, hosts, local, target

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
@click.option(
    "--deadline",
    default=DEADLINE,
    show_default=True,
    metavar="SECONDS",
    help="How long the proof may take, without deleting.",
)
@_options.output
@click.pass_obj
@click.pass_context
def command(
    context: click.Context,
    host: Host,
    site: str,
    *,
    keep: bool,
    only_clean: bool,
    tag: str,
    deadline: int,
    output: str,
) -> None:
    """Prove the running site: boot a VM on each compute node, ping both ways, capture the tunnel network.

    Of a site with one compute node both VMs are on that, and nothing crosses the wire.

    Ended by Ctrl-C, SIGTERM or SIGHUP it deletes what it has made, unless --keep is given.
    """
    begun = time.monotonic()
    model, catalogue = open_site(site)
    wanted = Desired.of(host, model, catalogue)
    if not wanted.state.secrets.exists():
        raise InputError(f"the site {model.site} has no secrets yet", "bring it up: stackyard up")
    resolved = wanted.site
    again = _options.for_site(f"stackyard verify --clean{'' if tag == TAG else f' --tag {tag}'}", site)
    left = f"what was made stays; delete it with: {again}" if keep else f"to be sure that nothing is left: {again}"
    with reporter(f"verify {model.site}", output=output) as report:
        if only_clean:
            public = resolved.site.networks.public is not None
            api = Api(credentials(resolved), local(resolved.urls))
            cloud = Cloud(api, volumes=has_volumes(resolved), public=public)
            cloud.limit("deleting", CLEANING)
            end_left(host.engine, f"{prefix(tag)}{resolved.name}-")
            cloud.sign_in()
            removed = clean(cloud, tag)
            click.echo("\n".join(f"deleted {thing.kind} {thing.name}" for thing in removed) or "nothing is left")
            return
        hosts(resolved)  # refused before a guest is built
        with stoppable(left):
            what = target(resolved, guest.ensure(host.state, catalogue.base.suite, report), tag)
            outcome = verify(
                host.engine,
                what,
                Api(what.credentials, local(what.urls)),
                report,
                keep=keep,
                deadline=deadline - (time.monotonic() - begun),
                causes=lambda: troubles(host, resolved),
            )
    checks = [replace(check, hint=_options.for_site(check.hint, site)) for check in outcome.checks]
    outcome = replace(outcome, checks=tuple(checks))
    click.echo(outcome.as_json() if output == "json" else outcome.as_text())
    if outcome.kept:
        click.echo(f"kept: {', '.join(outcome.kept)}", err=True)
        click.echo(f"delete them with: {again}", err=True)
    if not outcome.passed:
        context.exit(FAILED)
