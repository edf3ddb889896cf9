"""Register the administrator, and every service's user and endpoints, in Keystone.

Works on the database through Keystone's own managers, in one process and before the API is up: a
client would pay for one Python start per object and need an administrator's token. Reads
/etc/keystone/accounts.json. What is there already is left as it is; what differs is set. Table stackyard_made
remembers what this script made: that moves to a changed region, and is removed when it is not listed any more.
All else belongs to somebody else and stays, such as the endpoints of other regions. Safe to kill and to run again.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import keystone.conf
from keystone import exception
from keystone.cmd.bootstrap import Bootstrapper
from keystone.common import driver_hints, provider_api, sql
from oslo_db.exception import DBReferenceError
from sqlalchemy import text

PROVIDERS = provider_api.ProviderAPIs
SERVICE_PROJECT = "service"
SERVICE_ROLES = ("admin", "service")
LONG, ROUNDS = 32, 4
"""A password of so many characters, as those of a site are, is not found by trying, however quick a try is: bcrypt's
work, a quarter of a second each time that a service signs in, is for what people choose. The least that it takes."""
TABLE = "CREATE TABLE IF NOT EXISTS stackyard_made (name VARCHAR(255) PRIMARY KEY, id VARCHAR(255) NOT NULL)"
ALL = "SELECT name, id FROM stackyard_made"
KEEP = "REPLACE INTO stackyard_made (name, id) VALUES (:name, :id)"
FORGET = "DELETE FROM stackyard_made WHERE name = :name"


def hints(**filters: str) -> driver_hints.Hints:
    """Return Keystone's form of a filter."""
    result = driver_hints.Hints()
    for name, value in filters.items():
        result.add_filter(name, value)
    return result


class Made:
    """What this script made, in an earlier run or in this one: name -> id, such as ``user:nova``.

    ``new`` says that nothing is remembered yet: what an earlier version made is then taken for its own.
    """

    def __init__(self) -> None:
        with sql.session_for_write() as session:
            session.execute(text(TABLE))
            self.ids: dict[str, str] = dict(session.execute(text(ALL)).fetchall())
        self.new = not self.ids
        self.kept: set[str] = set()

    def keep(self, name: str, identifier: str) -> None:
        """Remember an object of the site, before it is made."""
        self.kept.add(name)
        if self.ids.get(name) != identifier:
            with sql.session_for_write() as session:
                session.execute(text(KEEP), {"name": name, "id": identifier})
            self.ids[name] = identifier

    def forget(self, name: str) -> None:
        """Forget an object that is gone."""
        with sql.session_for_write() as session:
            session.execute(text(FORGET), {"name": name})
        self.ids.pop(name, None)

    def unwanted(self, kind: str) -> list[tuple[str, str]]:
        """Names and ids of a kind that this run did not keep."""
        return [each for each in self.ids.items() if each[0].startswith(f"{kind}:") and each[0] not in self.kept]


def bootstrap(made: Made, bootstrapper: Bootstrapper, admin: dict[str, str], region: str) -> str:
    """Make the default domain, roles, region and the administrator as `keystone-manage bootstrap` does.

    An administrator, or its project, of another name than before keeps its id, and so all that belongs to it.
    Returns the id of the domain.
    """
    if made.new or not PROVIDERS.catalog_api.list_regions(hints(id=region)):
        made.keep(f"region:{region}", region)
    made.kept.add(f"region:{region}")
    for kind, name, update in (
        ("administrator", admin["user"], PROVIDERS.identity_api.update_user),
        ("project", admin["project"], PROVIDERS.resource_api.update_project),
    ):
        before = made.ids.get(f"{kind}:name")
        if before not in {None, name}:
            update(made.ids[f"{kind}:id"], {"name": name})
    bootstrapper.admin_username = admin["user"]
    bootstrapper.admin_password = admin["password"]
    bootstrapper.project_name = admin["project"]
    bootstrapper.admin_role_name = "admin"
    bootstrapper.region_id = region
    bootstrapper.immutable_roles = True
    with hashed_for(admin["password"]):
        bootstrapper.bootstrap()
    for kind, name, identifier in (
        ("administrator", admin["user"], bootstrapper.admin_user_id),
        ("project", admin["project"], bootstrapper.project_id),
    ):
        made.keep(f"{kind}:id", identifier)
        made.keep(f"{kind}:name", name)
    return bootstrapper.default_domain_id


def ensure_project(domain: str) -> str:
    """Return the id of the services' project."""
    try:
        return PROVIDERS.resource_api.get_project_by_name(SERVICE_PROJECT, domain)["id"]
    except exception.ProjectNotFound:
        project = {"id": uuid.uuid4().hex, "name": SERVICE_PROJECT, "domain_id": domain, "enabled": True}
        return PROVIDERS.resource_api.create_project(project["id"], project)["id"]


@contextmanager
def hashed_for(password: str) -> Iterator[None]:
    """Have Keystone make hashes, meanwhile, with no more work than that password needs."""
    if len(password) < LONG:
        yield
        return
    keystone.conf.CONF.set_override("password_hash_rounds", ROUNDS, group="identity")
    try:
        yield
    finally:
        keystone.conf.CONF.clear_override("password_hash_rounds", group="identity")


def ensure_user(made: Made, name: str, password: str, domain: str) -> str:
    """Return the id of the user, whose password is then the one given."""
    try:
        user = PROVIDERS.identity_api.get_user_by_name(name, domain)
    except exception.UserNotFound:
        made.keep(f"user:{name}", domain)
        user = {"name": name, "password": password, "domain_id": domain, "enabled": True}
        with hashed_for(password):
            return PROVIDERS.identity_api.create_user(user)["id"]
    if made.new:
        made.keep(f"user:{name}", domain)
    made.kept.add(f"user:{name}")
    try:
        PROVIDERS.identity_api.driver.authenticate(user["id"], password)
    except AssertionError:
        with hashed_for(password):
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


def ensure_service(made: Made, kind: str, name: str) -> str:
    """Return the id of the service of a type; one of somebody else will do."""
    key, there = f"service:{kind}", PROVIDERS.catalog_api.list_services(hints(type=kind))
    ours = [each for each in there if each["id"] == made.ids.get(key) or (made.new and each["name"] == name)]
    if there and not ours:
        return there[0]["id"]
    identifier = ours[0]["id"] if ours else uuid.uuid4().hex
    made.keep(key, identifier)
    wanted = {"name": name, "type": kind, "enabled": True}
    if not ours:
        PROVIDERS.catalog_api.create_service(identifier, {"id": identifier, "description": "", **wanted})
    elif differs(ours[0], wanted):
        PROVIDERS.catalog_api.update_service(identifier, wanted)
    return identifier


def ensure_endpoint(made: Made, kind: str, wanted: dict[str, object]) -> None:
    """Register an endpoint in its region: the one that is there, else the site's own of another region, else a new."""
    service, interface = wanted["service_id"], wanted["interface"]
    key = f"endpoint:{kind}/{interface}"
    there = PROVIDERS.catalog_api.list_endpoints(hints(service_id=service, interface=interface))
    ours = [each for each in there if each["id"] == made.ids.get(key)]
    here = [each for each in there if each["region_id"] == wanted["region_id"]]
    same = [each for each in there if made.new and each["url"] == wanted["url"]]
    found = [*(each for each in ours if each in here), *here, *ours, *(same if len(same) == 1 else ())]
    if not found:
        identifier = uuid.uuid4().hex
        made.keep(key, identifier)
        PROVIDERS.catalog_api.create_endpoint(identifier, {"id": identifier, **wanted})
        return
    if differs(found[0], wanted):
        PROVIDERS.catalog_api.update_endpoint(found[0]["id"], wanted)
    for each in ours:
        if each is not found[0]:
            PROVIDERS.catalog_api.delete_endpoint(each["id"])
    made.keep(key, found[0]["id"])


def differs(found: dict[str, object], wanted: dict[str, object]) -> bool:
    """Whether an object is not what it should be."""
    return any(found[key] != value for key, value in wanted.items())


def remove_unwanted(made: Made) -> None:
    """Remove what the site had and has no more; what somebody else's things hang on stays."""
    api = PROVIDERS.catalog_api
    for name, identifier in made.unwanted("endpoint"):
        remove(made, name, api.delete_endpoint, identifier)
    for name, identifier in made.unwanted("service"):
        if not api.list_endpoints(hints(service_id=identifier)):
            remove(made, name, api.delete_service, identifier)
    for name, domain in made.unwanted("user"):
        remove(made, name, delete_user, name.partition(":")[2], domain)
    for name, identifier in made.unwanted("region"):
        below = api.list_regions(hints(parent_region_id=identifier))
        if not below and not api.list_endpoints(hints(region_id=identifier)):
            remove(made, name, api.delete_region, identifier)


def delete_user(name: str, domain: str) -> None:
    """Delete the user of that name."""
    PROVIDERS.identity_api.delete_user(PROVIDERS.identity_api.get_user_by_name(name, domain)["id"])


def remove(made: Made, name: str, delete: Callable[..., object], *which: str) -> None:
    """Delete an object, unless somebody has done so or something that is not known here needs it."""
    try:
        delete(*which)
    except exception.NotFound:
        pass
    except DBReferenceError as error:
        print(f"note: {name} stays, something of somebody else needs it: {error}")
        return
    print(f"{name} is removed: the site has it no more")
    made.forget(name)


def main() -> None:
    """Register all that /etc/keystone/accounts.json lists."""
    accounts = json.loads(Path("/etc/keystone/accounts.json").read_text())
    keystone.conf.configure()
    sql.initialize()
    keystone.conf.set_default_for_default_log_levels()
    keystone.conf.CONF(args=[], project="keystone", default_config_files=["/etc/keystone/keystone.conf"])
    keystone.conf.setup_logging()
    bootstrapper = Bootstrapper()  # loads the managers
    made, region = Made(), accounts["region"]
    domain = bootstrap(made, bootstrapper, accounts["admin"], region)
    project = ensure_project(domain)
    for account in accounts["services"]:
        if account.get("user"):
            ensure_roles(ensure_user(made, account["user"], account["password"], domain), project)
        urls = {interface: account[interface] for interface in ("internal", "public") if account.get(interface)}
        if urls:
            service = ensure_service(made, account["type"], account["service"])
            where = {"service_id": service, "region_id": region, "enabled": True}
            for interface, url in urls.items():
                ensure_endpoint(made, account["type"], {"interface": interface, "url": url, **where})
    remove_unwanted(made)


if __name__ == "__main__":
    main()
