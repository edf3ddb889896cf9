"""Register the administrator, and every service's user and endpoints, in Keystone.

Works on the database through Keystone's own managers, in one process and before the API is up: a
client would pay for one Python start per object and need an administrator's token. What is there
already is left as it is; a password or an endpoint that differs is set. Reads
/etc/keystone/accounts.json. Safe to kill and to run again.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import keystone.conf
from keystone import exception
from keystone.cmd.bootstrap import Bootstrapper
from keystone.common import driver_hints, provider_api, sql

PROVIDERS = provider_api.ProviderAPIs
SERVICE_PROJECT = "service"
SERVICE_ROLES = ("admin", "service")


def hints(**filters: str) -> driver_hints.Hints:
    """Return Keystone's form of a filter."""
    result = driver_hints.Hints()
    for name, value in filters.items():
        result.add_filter(name, value)
    return result


def bootstrap(admin: dict[str, str], region: str) -> Bootstrapper:
    """Make the default domain, roles, region and the administrator as `keystone-manage bootstrap` does."""
    bootstrapper = Bootstrapper()
    bootstrapper.admin_username = admin["user"]
    bootstrapper.admin_password = admin["password"]
    bootstrapper.project_name = admin["project"]
    bootstrapper.admin_role_name = "admin"
    bootstrapper.region_id = region
    bootstrapper.immutable_roles = True
    bootstrapper.bootstrap()
    return bootstrapper


def ensure_project(domain: str) -> str:
    """Return the id of the services' project."""
    try:
        return PROVIDERS.resource_api.get_project_by_name(SERVICE_PROJECT, domain)["id"]
    except exception.ProjectNotFound:
        project = {"id": uuid.uuid4().hex, "name": SERVICE_PROJECT, "domain_id": domain, "enabled": True}
        return PROVIDERS.resource_api.create_project(project["id"], project)["id"]


def ensure_user(name: str, password: str, domain: str) -> str:
    """Return the id of the user, whose password is then the one given."""
    try:
        user = PROVIDERS.identity_api.get_user_by_name(name, domain)
    except exception.UserNotFound:
        user = {"name": name, "password": password, "domain_id": domain, "enabled": True}
        return PROVIDERS.identity_api.create_user(user)["id"]
    try:
        PROVIDERS.identity_api.driver.authenticate(user["id"], password)
    except AssertionError:
        PROVIDERS.identity_api.update_user(user["id"], {"password": password, "enabled": True})
    return user["id"]


def ensure_roles(user: str, project: str) -> None:
    """Give the user the roles of a service on the project."""
    for role in PROVIDERS.role_api.list_roles(hints(domain_id=None)):
        if role["name"] in SERVICE_ROLES:
            try:
                PROVIDERS.assignment_api.add_role_to_user_and_project(user, project, role["id"])
            except exception.Conflict:
                continue


def ensure_endpoints(kind: str, name: str, region: str, urls: dict[str, str]) -> None:
    """Register a service and its endpoints, `urls` by interface."""
    found = PROVIDERS.catalog_api.list_services(hints(type=kind))
    if found:
        service = found[0]["id"]
    else:
        service = uuid.uuid4().hex
        PROVIDERS.catalog_api.create_service(
            service, {"id": service, "name": name, "type": kind, "enabled": True, "description": ""}
        )
    present = {e["interface"]: e for e in PROVIDERS.catalog_api.list_endpoints(hints(service_id=service))}
    for interface, url in urls.items():
        wanted = {"interface": interface, "url": url, "service_id": service, "region_id": region, "enabled": True}
        if interface not in present:
            identifier = uuid.uuid4().hex
            PROVIDERS.catalog_api.create_endpoint(identifier, {"id": identifier, **wanted})
        elif present[interface]["url"] != url:
            PROVIDERS.catalog_api.update_endpoint(present[interface]["id"], {"url": url})


def main() -> None:
    """Register all that /etc/keystone/accounts.json lists."""
    accounts = json.loads(Path("/etc/keystone/accounts.json").read_text())
    keystone.conf.configure()
    sql.initialize()
    keystone.conf.set_default_for_default_log_levels()
    keystone.conf.CONF(args=[], project="keystone", default_config_files=["/etc/keystone/keystone.conf"])
    keystone.conf.setup_logging()
    domain = bootstrap(accounts["admin"], accounts["region"]).default_domain_id
    project = ensure_project(domain)
    for account in accounts["services"]:
        if account.get("user"):
            ensure_roles(ensure_user(account["user"], account["password"], domain), project)
        urls = {interface: account[interface] for interface in ("internal", "public") if account.get(interface)}
        if urls:
            ensure_endpoints(account["type"], account["service"], accounts["region"], urls)


if __name__ == "__main__":
    main()
