"""Put the compute nodes of the site into their availability zones.

AVAILABILITY_ZONES is a JSON list of {name, hosts}. Each zone is a host aggregate of the same name. Waits
until every node has registered, in Nova and in Placement, and says so; what is in place already is left as it is.
Safe to run again.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import NoReturn

from keystoneauth1 import exceptions, loading, session
from keystoneauth1.adapter import Adapter
from oslo_config import cfg

OWN = "service_user"
DEADLINE = 300
ANSWER = 30
"""Seconds that an API has for each part of an answer."""
MINUTE = 60
INTERVAL = 1


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


def apis() -> tuple[Adapter, Adapter]:
    """Return Nova's API and Placement's, signed in with the service's own credentials of nova.conf."""
    conf = cfg.ConfigOpts()
    loading.register_auth_conf_options(conf, OWN)
    loading.register_adapter_conf_options(conf, OWN)
    conf([], default_config_files=["/etc/nova/nova.conf"])
    signed_in = session.Session(auth=loading.load_auth_from_conf_options(conf, OWN), timeout=ANSWER)

    def adapter(service: str, version: str) -> Adapter:
        return loading.load_adapter_from_conf_options(
            conf, OWN, session=signed_in, service_type=service, default_microversion=version
        )

    return adapter("compute", "2.41"), adapter("placement", "1.19")


def ready(api: Adapter, placement: Adapter) -> dict[str, str]:
    """Return the hosts whose nova-compute is up, mapped to its cell and known to Placement -> their provider there."""
    services = api.get("/os-services?binary=nova-compute").json()["services"]
    up = {service["host"] for service in services if service["state"] == "up"}
    hypervisors = api.get("/os-hypervisors/detail").json()["hypervisors"]
    names = {each["service"]["host"]: each["hypervisor_hostname"] for each in hypervisors}
    providers = placement.get("/resource_providers").json()["resource_providers"]
    found = {each["name"]: each["uuid"] for each in providers}
    return {host: found[name] for host, name in names.items() if host in up and name in found}


def wait(api: Adapter, placement: Adapter, hosts: set[str], waiting: Waiting) -> dict[str, str]:
    """Wait for all hosts and return their providers."""
    waiting.tell(f"nova-compute of {', '.join(sorted(hosts))} is to register in Nova and in Placement")
    while True:
        try:
            providers = ready(api, placement)
            if hosts <= providers.keys():
                return providers
            waiting.tell(f"nova-compute is not registered, or not up, on {', '.join(sorted(hosts - providers.keys()))}")
        except (exceptions.ClientException, KeyError) as error:
            waiting.tell(f"no answer about compute nodes: {error}")
        time.sleep(INTERVAL)


def add_host(api: Adapter, aggregate: int, host: str, waiting: Waiting) -> None:
    """Add a host as soon as it is mapped to its cell, which the scheduler does every few seconds."""
    while True:
        answer = api.post(f"/os-aggregates/{aggregate}/action", json={"add_host": {"host": host}}, raise_exc=False)
        if answer.ok or answer.status_code == 409:  # noqa: PLR2004 - it is a member already
            return
        waiting.tell(f"{host} cannot be added to its zone: {answer.text}")
        time.sleep(INTERVAL)


def placed(placement: Adapter, provider: str, aggregate: str) -> bool:
    """Return whether Placement has a host in the aggregate: Nova tells it so once, and goes on when that fails."""
    return aggregate in placement.get(f"/resource_providers/{provider}/aggregates").json()["aggregates"]


def main() -> None:
    """Make every zone of AVAILABILITY_ZONES."""
    zones = json.loads(os.environ["AVAILABILITY_ZONES"])
    waiting = Waiting(DEADLINE)
    api, placement = apis()
    providers = wait(api, placement, {host for zone in zones for host in zone["hosts"]}, waiting)
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
                add_host(api, aggregate["id"], host, waiting)


if __name__ == "__main__":
    main()
