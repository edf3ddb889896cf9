"""Put the compute nodes of the site into their availability zones.

AVAILABILITY_ZONES is a JSON list of {name, hosts}. Each zone is a host aggregate of the same name. Waits
until every node has registered, in Nova and in Placement; what is in place already is left as it is. Safe to
run again.
"""

from __future__ import annotations

import configparser
import json
import os
import sys
import time

from keystoneauth1 import exceptions, session
from keystoneauth1.adapter import Adapter
from keystoneauth1.identity import v3

DEADLINE = 300
INTERVAL = 1


def apis() -> tuple[Adapter, Adapter]:
    """Return Nova's API and Placement's, signed in with the service's own credentials of nova.conf."""
    conf = configparser.ConfigParser(interpolation=None, strict=False)
    conf.read("/etc/nova/nova.conf")
    own = conf["service_user"]
    auth = v3.Password(
        auth_url=own["auth_url"],
        username=own["username"],
        password=own["password"],
        project_name=own["project_name"],
        user_domain_name=own["user_domain_name"],
        project_domain_name=own["project_domain_name"],
    )
    signed_in = {"session": session.Session(auth=auth), "interface": "internal", "region_name": own["region_name"]}
    return (
        Adapter(service_type="compute", default_microversion="2.41", **signed_in),
        Adapter(service_type="placement", default_microversion="1.19", **signed_in),
    )


def ready(api: Adapter, placement: Adapter) -> dict[str, str]:
    """Return the hosts whose nova-compute is up, mapped to its cell and known to Placement -> their provider there."""
    services = api.get("/os-services?binary=nova-compute").json()["services"]
    up = {service["host"] for service in services if service["state"] == "up"}
    hypervisors = api.get("/os-hypervisors/detail").json()["hypervisors"]
    names = {each["service"]["host"]: each["hypervisor_hostname"] for each in hypervisors}
    providers = placement.get("/resource_providers").json()["resource_providers"]
    found = {each["name"]: each["uuid"] for each in providers}
    return {host: found[name] for host, name in names.items() if host in up and name in found}


def wait(api: Adapter, placement: Adapter, hosts: set[str]) -> dict[str, str]:
    """Wait for all hosts and return their providers; say what is missing when the deadline has passed."""
    end = time.monotonic() + DEADLINE
    seen = "nothing answered yet"
    while time.monotonic() < end:
        try:
            providers = ready(api, placement)
            if hosts <= providers.keys():
                return providers
            seen = f"not up: {', '.join(sorted(hosts - providers.keys()))}"
        except (exceptions.ClientException, KeyError) as error:
            seen = str(error)
        time.sleep(INTERVAL)
    sys.exit(f"the compute nodes did not register within {DEADLINE} s; {seen}")


def add_host(api: Adapter, aggregate: int, host: str) -> None:
    """Add a host as soon as it is mapped to its cell, which the scheduler does every few seconds."""
    for _ in range(60):
        answer = api.post(f"/os-aggregates/{aggregate}/action", json={"add_host": {"host": host}}, raise_exc=False)
        if answer.ok or answer.status_code == 409:  # noqa: PLR2004 - it is a member already
            return
        time.sleep(INTERVAL)
    sys.exit(f"{host} could not be added to its zone: {answer.text}")


def placed(placement: Adapter, provider: str, aggregate: str) -> bool:
    """Return whether Placement has a host in the aggregate: Nova tells it so once, and goes on when that fails."""
    return aggregate in placement.get(f"/resource_providers/{provider}/aggregates").json()["aggregates"]


def main() -> None:
    """Make every zone of AVAILABILITY_ZONES."""
    zones = json.loads(os.environ["AVAILABILITY_ZONES"])
    api, placement = apis()
    providers = wait(api, placement, {host for zone in zones for host in zone["hosts"]})
    present = {aggregate["name"]: aggregate for aggregate in api.get("/os-aggregates").json()["aggregates"]}
    for zone in zones:
        aggregate = present.get(zone["name"])
        if aggregate is None:
            body = {"aggregate": {"name": zone["name"], "availability_zone": zone["name"]}}
            aggregate = {**api.post("/os-aggregates", json=body).json()["aggregate"], "hosts": []}
        for host in zone["hosts"]:
            if host in aggregate["hosts"] and not placed(placement, providers[host], aggregate["uuid"]):
                api.post(f"/os-aggregates/{aggregate['id']}/action", json={"remove_host": {"host": host}})
                aggregate["hosts"].remove(host)
            if host not in aggregate["hosts"]:
                add_host(api, aggregate["id"], host)


if __name__ == "__main__":
    main()
