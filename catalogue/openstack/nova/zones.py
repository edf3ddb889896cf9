"""Put the compute nodes of the site into their availability zones.

AVAILABILITY_ZONES is a JSON list of {name, hosts}. Each zone is a host aggregate of the same name. Waits
until every node has registered; what is in place already is left as it is. Safe to run again.
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


def compute_api() -> Adapter:
    """Return Nova's API, signed in with the service's own credentials of nova.conf."""
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
    return Adapter(
        session.Session(auth=auth), service_type="compute", interface="internal", region_name=own["region_name"]
    )


def ready(api: Adapter, hosts: set[str]) -> set[str]:
    """Return those of the hosts whose nova-compute is up and mapped to its cell."""
    services = api.get("/os-services?binary=nova-compute").json()["services"]
    up = {service["host"] for service in services if service["state"] == "up"}
    hypervisors = api.get("/os-hypervisors/detail").json()["hypervisors"]
    return up & hosts & {hypervisor["service"]["host"] for hypervisor in hypervisors}


def wait(api: Adapter, hosts: set[str]) -> None:
    """Wait for all hosts; say what is missing when the deadline has passed."""
    end = time.monotonic() + DEADLINE
    seen = "nothing answered yet"
    while time.monotonic() < end:
        try:
            missing = hosts - ready(api, hosts)
            if not missing:
                return
            seen = f"not up: {', '.join(sorted(missing))}"
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


def main() -> None:
    """Make every zone of AVAILABILITY_ZONES."""
    zones = json.loads(os.environ["AVAILABILITY_ZONES"])
    api = compute_api()
    wait(api, {host for zone in zones for host in zone["hosts"]})
    present = {aggregate["name"]: aggregate for aggregate in api.get("/os-aggregates").json()["aggregates"]}
    for zone in zones:
        aggregate = present.get(zone["name"])
        if aggregate is None:
            body = {"aggregate": {"name": zone["name"], "availability_zone": zone["name"]}}
            aggregate = {**api.post("/os-aggregates", json=body).json()["aggregate"], "hosts": []}
        for host in zone["hosts"]:
            if host not in aggregate["hosts"]:
                add_host(api, aggregate["id"], host)


if __name__ == "__main__":
    main()
