"""The site as it should be."""

from __future__ import annotations

import json
import time

import click

from stackyard.catalogue import open_site
from stackyard.cli import _options
from stackyard.deploy import boot
from stackyard.deploy.check import requirements, root
from stackyard.deploy.desired import Desired
from stackyard.deploy.up import DEADLINE, Up
from stackyard.effects.host import Host
from stackyard.events import Event
from stackyard.plan.resolved import ResolvedSite
from stackyard.plan.text import as_data, as_text
from stackyard.table import table

SUMMARY = 10.0
"""Seconds between two lines that tell what is waited for, where no terminal is."""


@click.command()
@click.argument("node", required=False)
@_options.site
@_options.output
@click.option("--plan", "only_plan", is_flag=True, help="Print what would be done and why, and do nothing.")
@click.option(
    "--deadline",
    default=DEADLINE,
    show_default=True,
    metavar="SECONDS",
    help="How long it may take in all, until everything is ready.",
)
@click.option("--end-vms", is_flag=True, help="Do it even where VMs end: those of nodes that are made anew or removed.")
@click.pass_obj
def command(
    host: Host, node: str | None, site: str, output: str, deadline: int, *, only_plan: bool, end_vms: bool
) -> None:
    """Bring up the site, or one NODE, and wait until everything is ready.

    Images that the engine lacks are pulled from the site's registry; nothing is built. What is right already is left
    alone. Interrupted at any point, the same command continues.
    """
    begun = time.monotonic()
    if not only_plan:
        root(host, "up")
    model, catalogue = open_site(site)
    way = Up(host, model, catalogue, node, end_vms)
    if only_plan:
        wanted, _there, plan = way.plan()
        shown = (wanted.site, plan, wanted.secrets.made)
        text = _options.for_site(as_text(*shown), site)
        click.echo(json.dumps(as_data(*shown), indent=2) + "\n" if output == "json" else text, nl=False)
        requirements(host, wanted.site, plan)
        return
    from stackyard.ui import reporter  # noqa: PLC0415 - rich takes long to import, and a plan needs none of it

    with reporter(f"up {model.site}", output=output, every=SUMMARY) as report:
        changed = way.run(report, deadline, begun)
        if boot.enable(host, model.site, site):
            report(Event("note", "up", f"after a reboot {boot.name(model.site)} brings it back"))
    took = time.monotonic() - begun
    resolved = Desired.of(host, model, catalogue).site if model.publish.elsewhere else None
    if output == "json":
        forwarded = {each.base: each.local for each in resolved.urls if not each.direct} if resolved else {}
        data = {"site": model.site, "changed": changed, "seconds": round(took, 2), "forwarded": forwarded}
        click.echo(json.dumps(data))
        return
    if changed:
        click.echo(f"site {model.site} is ready after {took:.1f} s")
    else:
        click.echo(f"nothing to do: site {model.site} is as it should be, and ready ({took:.1f} s)")
    if resolved and (told := _forwarded(resolved)):
        click.echo(told)


def _forwarded(site: ResolvedSite) -> str:
    """Where a site that is known by other URLs listens, and what a proxy has to forward; nothing when it need not."""
    publish = site.site.publish
    forwarded = [(each.base, each.local) for each in site.urls if not each.direct]
    if forwarded:
        lead = (
            f"the ports appear on {publish.listens}; what answers at these URLs has to forward them (docs/publish.md):"
        )
        return f"{lead}\n{table(('URL', 'TO'), forwarded)}"
    return f"{publish.named} has to lead to this host; the ports appear on {publish.listens}" if publish.named else ""
