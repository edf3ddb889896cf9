"""Credentials of the site's administrator."""

from __future__ import annotations

import shlex
from typing import Any

import click
import yaml

from stackyard.catalogue import open_site
from stackyard.cli import _options
from stackyard.deploy.desired import Desired
from stackyard.effects.host import Host
from stackyard.errors import InputError

_API = {"OS_IDENTITY_API_VERSION": "3", "OS_AUTH_TYPE": "password"}
_UNSET = r"unset OS_CLOUD $(env | sed -n 's/^\(OS_[A-Za-z0-9_]*\)=.*/\1/p')"
"""Clients prefer some variables, a cloud or the id of a project, to those that are set here."""


@click.command()
@_options.site
@click.option("--clouds-yaml", is_flag=True, help="Print a clouds.yaml instead, the cloud named as the site.")
@click.pass_obj
def command(host: Host, site: str, *, clouds_yaml: bool) -> None:
    """Print the administrator's credentials, for the shell: eval "$(stackyard env)".

    All other variables OS_… of the shell are unset, so that none of yesterday's wins.
    """
    model, catalogue = open_site(site)
    wanted = Desired.of(host, model, catalogue)
    if not wanted.state.secrets.exists():
        raise InputError(f"the site {model.site} has no secrets yet", "bring it up: stackyard up")
    found = wanted.site.declarations.get("credentials", ())
    if not found:
        raise InputError(
            f"no service of the site {model.site} declares credentials",
            "add `credentials:` to `declares` of the service that has the administrator",
        )
    click.echo(_clouds(model.site, found[0]) if clouds_yaml else _openrc(found[0]), nl=False)


def _openrc(credentials: dict[str, Any]) -> str:
    values = {f"OS_{name.upper()}": str(value) for name, value in credentials.items()} | _API
    domain = credentials.get("project_domain_name")
    if domain and domain == credentials.get("user_domain_name"):
        values["OS_DOMAIN_NAME"] = domain  # gophercloud reads no other; openstacksdk wants it to agree with them
    exported = (f"export {name}={shlex.quote(value)}\n" for name, value in sorted(values.items()))
    return "".join([f"{_UNSET}\n", *exported])


def _clouds(name: str, credentials: dict[str, Any]) -> str:
    region = credentials.get("region_name")
    auth = {key: value for key, value in credentials.items() if key != "region_name"}
    cloud = {"auth": auth, "identity_api_version": 3, **({"region_name": region} if region else {})}
    return str(yaml.safe_dump({"clouds": {name: cloud}}, sort_keys=False))
