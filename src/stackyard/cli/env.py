"""Credentials of the site's administrator, and of users that its file lists."""

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
from stackyard.plan.contents import USER

_API = {"OS_IDENTITY_API_VERSION": "3", "OS_AUTH_TYPE": "password"}
_UNSET = r"unset OS_CLOUD $(env | sed -n 's/^\(OS_[A-Za-z0-9_]*\)=.*/\1/p')"
"""Clients prefer some variables, a cloud or the id of a project, to those that are set here."""


@click.command()
@_options.site
@click.option(
    "--user", metavar="NAME", help="Of a user below `contents.users` of the site, in place of the administrator."
)
@click.option("--project", metavar="NAME", help="Which of the user's projects; default: the first.")
@click.option(
    "--clouds-yaml",
    is_flag=True,
    help="Print a clouds.yaml instead: the cloud named as the site, and SITE-USER for each user of the site file.",
)
@click.pass_obj
def command(host: Host, site: str, user: str | None, project: str | None, *, clouds_yaml: bool) -> None:
    """Print the administrator's credentials, or a user's, for the shell: eval "$(stackyard env)".

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
    chosen = _of_user(wanted, user, project) if user or project else found[0]
    if not clouds_yaml:
        click.echo(_openrc(chosen), nl=False)
        return
    users = model.contents.users if model.contents and not user else {}
    clouds = {model.site: chosen, **{f"{model.site}-{each}": _of_user(wanted, each, None) for each in users}}
    click.echo(_clouds(clouds), nl=False)


def _of_user(wanted: Desired, name: str | None, project: str | None) -> dict[str, Any]:
    """The credentials of a user that the site file lists. Raises InputError when it does not."""
    site = wanted.site
    users = site.site.contents.users if site.site.contents else {}
    if not name:
        raise InputError("--project is one of a user's", "name the user: --user NAME")
    if name not in users:
        known = ", ".join(users) or "none"
        raise InputError(f"the site {site.name} lists no user {name}", f"users of `contents`: {known}")
    projects = users[name].projects
    if project and project not in projects:
        raise InputError(f"{name} has no role in a project {project}", f"it has: {', '.join(projects)}")
    if USER.format(name) in wanted.secrets.made:
        raise InputError(f"the site {site.name} has no user {name} yet", "bring it up: stackyard up")
    own = {"username": name, "password": wanted.secrets.get(USER.format(name)).reveal()}
    return {**site.declarations["credentials"][0], **own, "project_name": project or next(iter(projects))}


def _openrc(credentials: dict[str, Any]) -> str:
    values = {f"OS_{name.upper()}": str(value) for name, value in credentials.items()} | _API
    domain = credentials.get("project_domain_name")
    if domain and domain == credentials.get("user_domain_name"):
        values["OS_DOMAIN_NAME"] = domain  # gophercloud reads no other; openstacksdk wants it to agree with them
    exported = (f"export {name}={shlex.quote(value)}\n" for name, value in sorted(values.items()))
    return "".join([f"{_UNSET}\n", *exported])


def _clouds(clouds: dict[str, dict[str, Any]]) -> str:
    return str(yaml.safe_dump({"clouds": {name: _cloud(each) for name, each in clouds.items()}}, sort_keys=False))


def _cloud(credentials: dict[str, Any]) -> dict[str, Any]:
    region = credentials.get("region_name")
    auth = {key: value for key, value in credentials.items() if key != "region_name"}
    return {"auth": auth, "identity_api_version": 3, **({"region_name": region} if region else {})}
