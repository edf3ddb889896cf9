"""Bring what Nova knows of the site's nodes to what the site is.

AVAILABILITY_ZONES is a JSON list of {name, hosts}: each zone is a host aggregate of the same name. NOVA_SERVICES is
such a list of Nova's programs. Waits until every compute node has registered, in Nova and in Placement, says so, and
puts each into its zone. A node that the site has no more is removed from Nova, Placement and Neutron, and so is a zone.
Table stackyard_made remembers what is the site's: aggregates and services of others stay as they are. Safe to
run again.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, NoReturn

from keystoneauth1 import exceptions, loading, session
from keystoneauth1.adapter import Adapter
from oslo_config import cfg

OWN = "service_user"
DEADLINE = 300
ANSWER = 30
"""Seconds that an API has for each part of an answer."""
MINUTE = 60
MAPPED = 15
"""Seconds in which Nova's scheduler maps a new host to its cell: it looks every two."""
DISCOVER = ("nova-manage", "cell_v2", "discover_hosts", "--by-service")
INTERVAL = 1
COMPUTE = "nova-compute"
CONFLICT, MISSING = 409, 404
ENDED = frozenset({"ERROR", "SHUTOFF", "SHELVED", "SHELVED_OFFLOADED", "DELETED", "SOFT_DELETED"})
"""States of servers that say already that nothing runs."""
TABLE = "CREATE TABLE IF NOT EXISTS stackyard_made (name VARCHAR(255) PRIMARY KEY)"
ALL = "SELECT name FROM stackyard_made"
KEEP = "REPLACE INTO stackyard_made (name) VALUES (:name)"
FORGET = "DELETE FROM stackyard_made WHERE name = :name"


class Waiting:
    """What is waited for: told at once and once a minute. At the deadline the script ends with it, whatever hangs."""

    def __init__(self, deadline: int) -> None:
        self.deadline = deadline
        self.begun = time.monotonic()
        self.next = 0.0
        self.seen = ""
        signal.signal(signal.SIGALRM, self.give_up)
        signal.alarm(deadline)

    def tell(self, seen: str) -> None:
        """Take what is missing."""
        self.seen = seen
        passed = time.monotonic() - self.begun
        if passed >= self.next:
            self.next = passed + MINUTE
            print(f"waiting, {passed:.0f} s of {self.deadline}: {seen}", file=sys.stderr, flush=True)

    def give_up(self, *_: object) -> NoReturn:
        """End the script."""
        sys.exit(f"gave up after {self.deadline} s; seen last: {self.seen}")


class Cells:
    """Maps hosts that the scheduler does not map: Nova once failed to delete them, after half of the work."""

    def __init__(self) -> None:
        self.since = 0.0

    def see(self, unmapped: set[str]) -> None:
        """Take the hosts that are up and in no cell."""
        now = time.monotonic()
        if not unmapped:
            self.since = 0.0
        elif not self.since:
            self.since = now
        elif now - self.since > MAPPED:
            print(f"{', '.join(sorted(unmapped))}: up, and in no cell of Nova; {' '.join(DISCOVER)}", flush=True)
            subprocess.run(DISCOVER, check=False, stderr=subprocess.DEVNULL)
            self.since = 0.0


class RefusedError(Exception):
    """Something that waiting does not mend."""


class Made:
    """Names of what is the site's own, such as ``aggregate:az1``, kept in a database; ``new`` when it knew none."""

    def __init__(self, connection: Any) -> None:
        from sqlalchemy import text  # noqa: PLC0415 - not where the tests run

        self._text, self._connection = text, connection
        self._run(TABLE)
        self.names = {row[0] for row in self._run(ALL)}
        self.new = not self.names

    def keep(self, name: str) -> None:
        """Remember something, before it is made."""
        if name not in self.names:
            self._run(KEEP, name=name)
            self.names.add(name)

    def forget(self, name: str) -> None:
        """Forget something that is gone."""
        self._run(FORGET, name=name)
        self.names.discard(name)

    def _run(self, statement: str, **values: str) -> Any:
        return self._connection.execute(self._text(statement), values)


class Apis(NamedTuple):
    """The APIs that know of nodes."""

    nova: Adapter
    placement: Adapter
    neutron: Adapter


class Site(NamedTuple):
    """What should be: zones with their hosts, programs with theirs."""

    zones: Mapping[str, list[str]]
    services: Mapping[str, list[str]]

    @property
    def hosts(self) -> set[str]:
        """The compute nodes."""
        return {host for hosts in self.zones.values() for host in hosts}


def reconcile(apis: Apis, made: Made, cells: Cells, site: Site) -> str:
    """Do what can be done now; returns what is waited for, nothing when all is as it should be. Raises RefusedError."""
    aggregates = apis.nova.get("/os-aggregates").json()["aggregates"]
    if made.new:
        adopt(made, site, aggregates)
    for name in services_of(site):
        made.keep(name)
    services = apis.nova.get("/os-services").json()["services"]
    if not services_of(site).intersection(map(record, services)):  # it leaves out a cell whose database is away
        return "Nova lists none of the site's programs"
    left = list(forget_services(apis, made, site, services))
    providers, unmapped = ready(apis, site.hosts)
    cells.see(unmapped)
    missing = sorted(site.hosts - providers.keys())
    if missing:
        return f"nova-compute is not registered, or not up, on {', '.join(missing)}"
    for zone, hosts in site.zones.items():
        aggregate = ensure_aggregate(apis.nova, made, aggregates, zone)
        for host in hosts:
            leave_others(apis.nova, made, aggregates, host, zone)
            join(apis, made, aggregate, host, providers[host])
    if left:
        raise RefusedError("\n".join(left))
    forget_zones(apis.nova, made, site)
    return ""


def adopt(made: Made, site: Site, aggregates: Iterable[Mapping[str, Any]]) -> None:
    """Earlier versions remembered nothing: their zones have the name of the aggregate, and hosts of the site."""
    for each in aggregates:
        ours = site.hosts.intersection(each["hosts"])
        if ours and each["availability_zone"] == each["name"]:
            made.keep(f"aggregate:{each['name']}")
            for host in ours:
                made.keep(f"member:{host}@{each['name']}")


# ---------------------------------------------------------------- what is


def ready(apis: Apis, hosts: set[str]) -> tuple[dict[str, str], set[str]]:
    """Return those of the hosts that are up, in a cell and known to Placement -> their provider; those in no cell."""
    services = apis.nova.get(f"/os-services?binary={COMPUTE}").json()["services"]
    up = hosts.intersection(service["host"] for service in services if service["state"] == "up")
    hypervisors = apis.nova.get("/os-hypervisors/detail").json()["hypervisors"]
    names = {each["service"]["host"]: each["hypervisor_hostname"] for each in hypervisors if "service" in each}
    found = providers(apis.placement)
    return {host: found[name] for host, name in names.items() if host in up and name in found}, up - names.keys()


def providers(placement: Adapter) -> dict[str, str]:
    """Return the resource providers, name -> id."""
    return {each["name"]: each["uuid"] for each in placement.get("/resource_providers").json()["resource_providers"]}


def servers(nova: Adapter, host: str) -> list[dict[str, Any]]:
    """Return the servers that Nova has on a host."""
    return nova.get(f"/servers/detail?all_tenants=1&host={host}").json()["servers"]


def named(found: Iterable[Mapping[str, Any]]) -> str:
    """Return servers in words."""
    return ", ".join(f"{each['name']} ({each['id']})" for each in found)


# ---------------------------------------------------------------- zones


def ensure_aggregate(nova: Adapter, made: Made, aggregates: list[dict[str, Any]], zone: str) -> dict[str, Any]:
    """Return the aggregate that is a zone; one of somebody else will do, when it is that zone."""
    there = next((each for each in aggregates if each["name"] == zone), None)
    if there and there["availability_zone"] != zone:
        raise RefusedError(
            f"there is a host aggregate {zone} which is not the zone {zone} and not this site's; give the zone another "
            f"name in the site file, or rename the aggregate: openstack aggregate set --name NEW {zone}"
        )
    if there is None:
        made.keep(f"aggregate:{zone}")
        body = {"aggregate": {"name": zone, "availability_zone": zone}}
        there = {**nova.post("/os-aggregates", json=body).json()["aggregate"], "hosts": []}
        aggregates.append(there)
    return there


def leave_others(nova: Adapter, made: Made, aggregates: Iterable[dict[str, Any]], host: str, zone: str) -> None:
    """Take a host out of the zones that it is not in any more: Nova has a host in one zone only."""
    for each in aggregates:
        if host not in each["hosts"] or each["availability_zone"] in {None, zone}:
            continue
        if f"member:{host}@{each['name']}" not in made.names:
            raise RefusedError(
                f"{host} is to be in zone {zone}, and somebody has put it into the aggregate {each['name']}, zone "
                f"{each['availability_zone']}: openstack aggregate remove host {each['name']} {host}"
            )
        leave(nova, made, each, host)


def leave(nova: Adapter, made: Made, aggregate: dict[str, Any], host: str) -> None:
    """Take a host out of a zone. Raises RefusedError when it has servers, which Nova does not move between zones."""
    url, body = f"/os-aggregates/{aggregate['id']}/action", {"remove_host": {"host": host}}
    answer = nova.post(url, json=body, raise_exc=False)
    if answer.status_code == CONFLICT:
        raise RefusedError(
            f"{host} stays in zone {aggregate['name']}: Nova moves no host that has VMs to another zone. Delete or "
            f"shelve {named(servers(nova, host))}, or give the node its zone again"
        )
    if not answer.ok and host in aggregate["hosts"]:
        raise exceptions.from_response(answer, "POST", url)
    aggregate["hosts"].remove(host)
    made.forget(f"member:{host}@{aggregate['name']}")


def join(apis: Apis, made: Made, aggregate: dict[str, Any], host: str, provider: str) -> None:
    """Put a host into a zone, in Nova and in Placement, which Nova tells only once and goes on when that fails."""
    if host not in aggregate["hosts"]:
        made.keep(f"member:{host}@{aggregate['name']}")
        apis.nova.post(f"/os-aggregates/{aggregate['id']}/action", json={"add_host": {"host": host}})
        aggregate["hosts"].append(host)
    url = f"/resource_providers/{provider}/aggregates"
    there = apis.placement.get(url).json()
    if aggregate["uuid"] not in there["aggregates"]:
        apis.placement.put(url, json={**there, "aggregates": [*there["aggregates"], aggregate["uuid"]]})


def forget_zones(nova: Adapter, made: Made, site: Site) -> None:
    """Delete the zones that the site has no more, unless somebody has put hosts of his own into one."""
    wanted = {f"aggregate:{zone}" for zone in site.zones}
    unwanted = {name for name in made.names if name.startswith("aggregate:")} - wanted
    for aggregate in nova.get("/os-aggregates").json()["aggregates"] if unwanted else ():
        name = f"aggregate:{aggregate['name']}"
        if name not in unwanted:
            continue
        if aggregate["hosts"]:
            print(f"zone {aggregate['name']} stays: it has {', '.join(aggregate['hosts'])}", flush=True)
            unwanted.discard(name)
        else:
            nova.delete(f"/os-aggregates/{aggregate['id']}")
            print(f"zone {aggregate['name']} is removed: the site has it no more", flush=True)
    for name in unwanted:
        made.forget(name)


# ---------------------------------------------------------------- nodes


def services_of(site: Site) -> set[str]:
    """Names of the records that Nova has of the programs of the site."""
    return {f"service:{binary}@{host}" for binary, hosts in site.services.items() for host in hosts}


def record(service: Mapping[str, Any]) -> str:
    """Name of a record that Nova has of a program."""
    return f"service:{service['binary']}@{service['host']}"


def forget_services(apis: Apis, made: Made, site: Site, services: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Remove what Nova, Placement and Neutron have of nodes that the site has no more; yields what is left, and why."""
    unwanted = {name for name in made.names if name.startswith("service:")} - services_of(site)
    for service in services:
        name, host = record(service), service["host"]
        if name not in unwanted:
            if f"forced:{service['id']}" in made.names:  # the node is back
                force_down(apis.nova, made, service["id"], down=False)
            continue
        if service["binary"] == COMPUTE:
            forget_agents(apis.neutron, host)
        url = f"/os-services/{service['id']}"
        answer = apis.nova.delete(url, raise_exc=False)
        if answer.status_code == CONFLICT:
            unwanted.discard(name)
            force_down(apis.nova, made, service["id"], down=True)
            yield forsaken(apis.nova, host)
            continue
        if not answer.ok and answer.status_code != MISSING:
            raise exceptions.from_response(answer, "DELETE", url)
        print(f"{service['binary']} of {host} is removed: the site has it no more", flush=True)
        if service["binary"] == COMPUTE and host in (found := providers(apis.placement)):
            apis.placement.delete(f"/resource_providers/{found[host]}")
    for name in unwanted:
        made.forget(name)


def forget_agents(neutron: Adapter, host: str) -> None:
    """Remove Neutron's agents of a host, and with them what the SDN has of it."""
    try:
        agents = neutron.get(f"/v2.0/agents?host={host}").json()["agents"]
    except exceptions.EndpointNotFound:  # a site without a network service
        return
    for agent in agents:
        neutron.delete(f"/v2.0/agents/{agent['id']}")


def force_down(nova: Adapter, made: Made, service: str, *, down: bool) -> None:
    """Tell Nova that a program does not run, so that it deletes VMs there without it; or that it may run again."""
    name = f"forced:{service}"
    if down:
        made.keep(name)
    nova.put(f"/os-services/{service}", json={"forced_down": down})
    if not down:
        made.forget(name)


def forsaken(nova: Adapter, host: str) -> str:
    """Servers of a node that is gone run no more: let Nova say so. Returns what is left to do."""
    found = servers(nova, host)
    for server in found:
        if server["status"] not in ENDED:
            nova.post(f"/servers/{server['id']}/action", json={"os-resetState": {"state": "error"}})
    return (
        f"{host} is not in the site any more, and Nova still has VMs on it, which ended with the node: {named(found)}. "
        "Delete them: `openstack server delete ID`; the rest of the node is removed then, within a minute. "
        f"Or put {host} back into the site file and start them again: `openstack server reboot --hard ID`"
    )


# ---------------------------------------------------------------- main


def configured(*register: Callable[[cfg.ConfigOpts, str], object]) -> cfg.ConfigOpts:
    """Return nova.conf, with these options of the service's own credentials."""
    conf = cfg.ConfigOpts()
    conf.register_opt(cfg.StrOpt("connection", secret=True), "database")
    for each in register:
        each(conf, OWN)
    conf([], default_config_files=["/etc/nova/nova.conf"])
    return conf


def apis() -> Apis:
    """Return the APIs, signed in with the service's own credentials."""
    conf = configured(loading.register_auth_conf_options, loading.register_adapter_conf_options)
    signed_in = session.Session(auth=loading.load_auth_from_conf_options(conf, OWN), timeout=ANSWER)

    def adapter(service: str, version: str | None = None) -> Adapter:
        return loading.load_adapter_from_conf_options(
            conf, OWN, session=signed_in, service_type=service, default_microversion=version
        )

    return Apis(adapter("compute", "2.53"), adapter("placement", "1.19"), adapter("network"))


def listed(text: str) -> dict[str, list[str]]:
    """Return the hosts by name of a JSON list of {name, hosts}."""
    return {each["name"]: each["hosts"] for each in json.loads(text)}


def remembered() -> Made:
    """Return what Nova's database remembers."""
    from sqlalchemy import create_engine  # noqa: PLC0415 - not where the tests run

    return Made(create_engine(configured().database.connection, isolation_level="AUTOCOMMIT").connect())


def main() -> None:
    """Reconcile until nothing is waited for."""
    site = Site(*(listed(os.environ[name]) for name in ("AVAILABILITY_ZONES", "NOVA_SERVICES")))
    waiting, made, known, cells = Waiting(DEADLINE), None, apis(), Cells()
    waiting.tell(f"nova-compute of {', '.join(sorted(site.hosts))} is to register in Nova and in Placement")
    while True:
        try:
            known.nova.get("/os-services")  # when it answers, the database is there
            made = made or remembered()
            missing = reconcile(known, made, cells, site)
        except RefusedError as error:
            sys.exit(str(error))
        except exceptions.ClientException as error:
            known.nova.invalidate()  # the list of endpoints comes with the token
            missing = f"no answer about compute nodes: {error}"
        if not missing:
            return
        waiting.tell(missing)
        time.sleep(INTERVAL)


if __name__ == "__main__":
    main()
