"""Bring what OpenSDN's config API knows of the site to what the site is.

Reads /etc/provisioner/site.json. Registers the nodes (control nodes as BGP routers), and sets the autonomous system,
the order of encapsulations and the link-local service by which VMs reach Nova's metadata. What is there already is set
where it differs. The annotation `stackyard` marks what is the site's: a node that the site has no more is removed, with
what refers to it. All without the mark belongs to others and stays, such as BGP routers of another network. Waits until
the API answers, and lets go of what is to be removed. Safe to kill and to run again.
"""

from __future__ import annotations

import ipaddress
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from requests import RequestException
from vnc_api import exceptions, vnc_api

DEADLINE = 300
ANSWER = 30
"""Seconds that the API has for each part of an answer."""
MINUTE = 60
INTERVAL = 1
MARK = "stackyard"
SYSTEM = ["default-global-system-config"]
VROUTERS = [*SYSTEM, "default-global-vrouter-config"]
UNDERLAY = ["default-domain", "default-project", "ip-fabric"]
ROUTERS = [*UNDERLAY, "__default__"]
"""Routing instance whose children the BGP routers of the underlay are."""
KINDS = (
    "bgp-router",
    "config-node",
    "config-database-node",
    "database-node",
    "analytics-node",
    "analytics-alarm-node",
    "analytics-snmp-node",
    "virtual-router",
)
CONTROL = "control-node"
FAMILIES = ["route-target", "inet-vpn", "e-vpn", "erm-vpn", "inet6-vpn"]
SHORT_ASN = 0xFFFF


class Waiting:
    """What is waited for: told at once and once a minute. At the deadline the script ends with it, whatever hangs."""

    def __init__(self, deadline: int) -> None:
        self.deadline = deadline
        self.begun = time.monotonic()
        self.next = 0.0
        self.seen = "the config API has not answered"
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


class RefusedError(Exception):
    """Something that waiting does not mend."""


def reconcile(api: vnc_api.VncApi, site: dict[str, Any]) -> str:
    """Do what can be done now; returns what stays though it is to go, and why. Raises RefusedError."""
    system = api.global_system_config_read(fq_name=SYSTEM)
    set_system(api, system, site["bgp"])
    set_vrouters(api, site)
    left = []
    for kind in KINDS:
        parent = api.routing_instance_read(fq_name=ROUTERS) if kind == "bgp-router" else system
        wanted = {node["name"]: node for each in site["nodes"] if each["kind"] == kind for node in each["nodes"]}
        there = {each.name: each for each in listed(api, kind) if each.get_parent_fq_name() == parent.fq_name}
        for name, node in wanted.items():
            found = there.get(name) or vnc_api.str_to_class(vnc_api.CamelCase(kind), vnc_api.__name__)(name, parent)
            ensure(api, found, node["tunnel" if kind == "virtual-router" else "management"], site)
            if kind == "bgp-router":
                refer(api, system, found)
            elif kind == "virtual-router":
                ensure_vhost(api, found)
        for name, found in there.items():
            if name not in wanted and mark_of(found):
                left.append(remove(api, found))
    return "; ".join(filter(None, left))


def listed(api: vnc_api.VncApi, kind: str) -> list[Any]:
    """Return all objects of a kind."""
    return call(api, kind, "s_list", detail=True)


def call(api: vnc_api.VncApi, kind: str, what: str, *arguments: Any, **named: Any) -> Any:
    """Call the client's method for a kind of object."""
    return getattr(api, f"{kind.replace('-', '_')}{what}")(*arguments, **named)


def differs(found: Any, **wanted: Any) -> bool:
    """Set what is not as it should be; returns whether anything was not."""
    changed = {name: value for name, value in wanted.items() if getattr(found, f"get_{name}")() != value}
    for name, value in changed.items():
        getattr(found, f"set_{name}")(value)
    return bool(changed)


def mark_of(found: Any) -> str | None:
    """Return the value of the site's mark, if the object has it."""
    pairs = found.get_annotations()
    return next((each.value for each in pairs.get_key_value_pair() if each.key == MARK), None) if pairs else None


def mark(found: Any, value: str) -> bool:
    """Mark an object as the site's; returns whether it was not."""
    if mark_of(found) == value:
        return False
    pairs = found.get_annotations()
    others = [each for each in pairs.get_key_value_pair() if each.key != MARK] if pairs else []
    found.set_annotations(vnc_api.KeyValuePairs([*others, vnc_api.KeyValuePair(MARK, value)]))
    return True


# ---------------------------------------------------------------- what is one for all


def set_system(api: vnc_api.VncApi, system: Any, bgp: dict[str, Any]) -> None:
    """Set the autonomous system, and whether all control nodes are peers of each other."""
    wanted = {"autonomous_system": bgp["asn"], "ibgp_auto_mesh": bgp["auto_mesh"]}
    if bgp["asn"] > SHORT_ASN:
        wanted["enable_4byte_as"] = True
    if differs(system, **wanted):
        api.global_system_config_update(system)
        print(f"autonomous system {bgp['asn']} is set", flush=True)


def set_vrouters(api: vnc_api.VncApi, site: dict[str, Any]) -> None:
    """Set the order of encapsulations and the link-local service; those of other names are somebody else's."""
    vrouters = api.global_vrouter_config_read(fq_name=VROUTERS)
    priorities = vnc_api.EncapsulationPrioritiesType(encapsulation=site["encapsulations"])
    entry, services = site["linklocal"], vrouters.get_linklocal_services() or vnc_api.LinklocalServicesTypes()
    before = services.get_linklocal_service_entry()
    after = [each for each in before if each.linklocal_service_name not in {entry["name"], mark_of(vrouters)}]
    if entry["hosts"]:
        after.append(link_local(entry))
    changed = [differs(vrouters, encapsulation_priorities=priorities), mark(vrouters, entry["name"])]
    if sorted(before, key=repr) != sorted(after, key=repr):
        vrouters.set_linklocal_services(vnc_api.LinklocalServicesTypes(after))
        changed.append(True)
    if any(changed):
        api.global_vrouter_config_update(vrouters)
        print(f"encapsulations {', '.join(site['encapsulations'])} and service {entry['name']} are set", flush=True)


def link_local(entry: dict[str, Any]) -> vnc_api.LinklocalServiceEntryType:
    """Return a link-local service: vRouter sends what VMs send to its address to one of the hosts."""
    addresses = [host for host in entry["hosts"] if is_address(host)]
    return vnc_api.LinklocalServiceEntryType(
        linklocal_service_name=entry["name"],
        linklocal_service_ip=entry["address"],
        linklocal_service_port=entry["port"],
        ip_fabric_DNS_service_name="" if addresses else entry["hosts"][0],
        ip_fabric_service_port=entry["hosts_port"],
        ip_fabric_service_ip=addresses,
    )


def is_address(host: str) -> bool:
    """Whether a host is an address, no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


# ---------------------------------------------------------------- nodes


def ensure(api: vnc_api.VncApi, found: Any, address: str, site: dict[str, Any]) -> None:
    """Make a node, or set what differs. Raises RefusedError when its name is that of something else."""
    if found.resource_type == "bgp-router":
        changed = set_router(found, address, site["bgp"])
    else:
        wanted = {f"{found.object_type}_ip_address": address}
        if found.resource_type == "virtual-router":
            wanted["virtual_router_dpdk_enabled"] = site["dpdk"]
        changed = differs(found, **wanted)
    if not (mark(found, "node") or changed):
        return
    call(api, found.resource_type, "_update" if found.uuid else "_create", found)
    print(f"{found.resource_type} {found.name} is registered, at {address}", flush=True)


def set_router(found: Any, address: str, bgp: dict[str, Any]) -> bool:
    """Set the parameters of a control node that the site knows, and leave those of somebody else in it."""
    parameters = found.get_bgp_router_parameters() or vnc_api.BgpRouterParams(router_type=CONTROL)
    if parameters.router_type != CONTROL:
        raise RefusedError(
            f"there is a BGP router {found.name} of type {parameters.router_type}, which is no control node; give the "
            "router, or the node in the site file, another name"
        )
    changed = differs(
        parameters,
        vendor="contrail",
        autonomous_system=bgp["asn"],
        identifier=address,
        address=address,
        port=bgp["port"],
        address_families=vnc_api.AddressFamilies(FAMILIES),
    )
    if changed:
        found.set_bgp_router_parameters(parameters)
    return changed


def refer(api: vnc_api.VncApi, system: Any, router: Any) -> None:
    """Let the system refer to a control node, in a way that does not keep anybody from deleting it."""
    if router.uuid not in {each["uuid"] for each in system.get_bgp_router_refs() or ()}:
        api.ref_update(system.resource_type, system.uuid, "bgp-router", router.uuid, router.fq_name, "ADD")
        api.ref_relax_for_delete(system.uuid, router.uuid)


def ensure_vhost(api: vnc_api.VncApi, router: Any) -> None:
    """Make the interface by which a compute node itself is on the underlay."""
    try:
        api.virtual_machine_interface_read(fq_name=[*router.fq_name, "vhost0"])
    except vnc_api.NoIdError:
        interface = vnc_api.VirtualMachineInterface("vhost0", router)
        interface.set_virtual_network(api.virtual_network_read(fq_name=UNDERLAY))
        interface.set_virtual_machine_interface_disable_policy(True)
        api.virtual_machine_interface_create(interface)


def remove(api: vnc_api.VncApi, found: Any) -> str:
    """Delete a node that the site has no more, what refers to it and what is below it; returns why it stays."""
    fields = ["bgp_router_back_refs", "global_system_config_back_refs", "virtual_machine_interfaces"]
    whole = call(api, found.resource_type, "_read", id=found.uuid, fields=fields)
    try:
        for kind in ("bgp-router", "global-system-config"):
            for each in getattr(whole, f"{kind.replace('-', '_')}_back_refs", None) or ():
                api.ref_update(kind, each["uuid"], found.resource_type, found.uuid, found.fq_name, "DELETE")
        for each in getattr(whole, "virtual_machine_interfaces", None) or ():
            api.virtual_machine_interface_delete(id=each["uuid"])
        call(api, found.resource_type, "_delete", id=found.uuid)
    except vnc_api.NoIdError:
        pass
    except vnc_api.RefsExistError as error:
        return f"{found.resource_type} {found.name}, which the site has no more, cannot be removed: {error}"
    print(f"{found.resource_type} {found.name} is removed: the site has it no more", flush=True)
    return ""


# ---------------------------------------------------------------- main


def connect(site: dict[str, Any]) -> vnc_api.VncApi:
    """Return the client of the API. It signs in when the API asks for it."""
    auth = site["auth"]
    # The client puts these into JSON as they are.
    within = {name: json.dumps(auth[name])[1:-1] for name in ("user", "password", "project", "domain")}
    return vnc_api.VncApi(
        username=within["user"],
        password=within["password"],
        tenant_name=within["project"],
        domain_name=within["domain"],
        auth_type="keystone",
        auth_protocol=auth["protocol"],
        auth_host=auth["host"],
        auth_port=auth["port"],
        auth_url="/v3/auth/tokens",
        api_server_host=site["api"]["hosts"],
        api_server_port=site["api"]["port"],
        timeout=ANSWER,
    )


def main(file: str = "/etc/provisioner/site.json") -> None:
    """Reconcile until nothing is waited for."""
    site = json.loads(Path(file).read_text())
    waiting = Waiting(DEADLINE)
    where = f"the config API at {', '.join(site['api']['hosts'])}, port {site['api']['port']}"
    while True:
        try:
            left = reconcile(connect(site), site)
        except RefusedError as error:
            sys.exit(str(error))
        except exceptions.BadRequest as error:
            sys.exit(f"{where} refuses: {error}")
        except (exceptions.VncError, RequestException, RuntimeError, ValueError, LookupError) as error:
            left = f"{where} does not answer as it should: {str(error) or type(error).__name__}"
        if not left:
            return
        waiting.tell(left)
        time.sleep(INTERVAL)


if __name__ == "__main__":
    main(*sys.argv[1:])
