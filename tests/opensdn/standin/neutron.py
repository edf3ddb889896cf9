"""The routes below /neutron that contrail-api has for its Neutron plugin: enough for networks, subnets and ports."""

from __future__ import annotations

import ipaddress
import json
import random
import uuid
from typing import Any

from standin.config_api import ConfigApi, Object
from standin.web import Refused

KINDS = {
    "network": "virtual-network",
    "subnet": "subnet",
    "port": "virtual-machine-interface",
    "security_group": "security-group",
    "security_group_rule": "access-control-list",
    "router": "logical-router",
    "floatingip": "floating-ip",
}
"""What Neutron calls it -> the type of the object in which it is kept, whole, under `_neutron`."""


class Neutron:
    """Answers POST /neutron/<resource> by the operation of its context."""

    def __init__(self, api: ConfigApi) -> None:
        self.api = api

    def __call__(self, resource: str, body: Any) -> Any:
        if resource not in KINDS:
            raise Refused(404, f"no Neutron resource {resource}")
        context, data = body["context"], body["data"]
        operation = context["operation"]
        if resource == "security_group" and context.get("tenant_id"):
            self._project(context["tenant_id"])
        if operation == "CREATE":
            return self._create(resource, context, data["resource"])
        if operation in {"READALL", "READCOUNT"}:
            found = self._all(resource, data.get("filters") or {})
            return found if operation == "READALL" else {"count": len(found)}
        item = self._item(resource, data["id"])
        if operation == "UPDATE":
            self.api.update(item, {"_neutron": item["_neutron"] | data["resource"]})
        elif operation == "DELETE":
            self._delete(resource, item)
        return item["_neutron"]

    def _item(self, resource: str, identity: str) -> Object:
        item = self.api.store.get(identity)
        if item is None or "_neutron" not in item:
            title = "".join(word.capitalize() for word in resource.split("_"))
            raise _refusal(f"{title}NotFound", identity)
        return item

    def _all(self, resource: str, filters: Object) -> list[Object]:
        items = [item["_neutron"] for item in self.api.of(KINDS[resource]) if "_neutron" in item]
        fits = lambda item, key, values: str(item.get(key)) in {str(value) for value in values} if key in item else True  # noqa: E731
        return [item for item in items if all(fits(item, key, values) for key, values in filters.items())]

    def _project(self, identity: str) -> Object:
        """Return the project of a tenant, made when it is asked for first, with a security group as Neutron's."""
        identity = str(uuid.UUID(identity))
        found = self.api.store.get(identity)
        if found is None:
            found = self.api.create("project", {"uuid": identity, "fq_name": ["default-domain", identity]})
            self._create("security_group", {}, {"name": "default", "tenant_id": identity.replace("-", "")})
        return found

    def _create(self, resource: str, context: Object, given: Object) -> Object:
        tenant = given.get("tenant_id") or given.get("project_id") or context.get("tenant_id")
        if not tenant:
            raise _refusal("BadRequest", message="no tenant")
        identity = given.get("id") or str(uuid.uuid4())
        item = {"id": identity, "name": "", "description": "", "tenant_id": tenant, **given}
        getattr(self, f"_new_{resource}", lambda _: None)(item)
        kind = KINDS[resource]
        project = self._project(tenant)
        parent = {"parent_type": "project"} if "project" in self.api.schema[kind]["parents"] else {}
        name = [*project["fq_name"], item["name"] or identity] if parent else [identity]
        if any(other["fq_name"] == name for other in self.api.of(kind)):
            name = [*name[:-1], f"{name[-1]}-{identity}"]
        refs = {}
        if resource == "port":
            refs = {"virtual_network_refs": [{"uuid": item["network_id"]}]}
        given_object = {"uuid": identity, "fq_name": name, **parent, **refs, "_neutron": item}
        self.api.create(kind, given_object, tenant)
        if resource == "subnet":
            self._put_in_network(item)
        return item

    def _new_network(self, item: Object) -> None:
        item.setdefault("router:external", False)
        item |= {"status": "ACTIVE", "subnets": [], "shared": item.get("shared", False)}
        item |= {"admin_state_up": item.get("admin_state_up", True), "port_security_enabled": True, "mtu": 1500}

    def _new_subnet(self, item: Object) -> None:
        self._item("network", item["network_id"])
        network = ipaddress.ip_network(item["cidr"])
        item.setdefault("ip_version", network.version)
        item["gateway_ip"] = item.get("gateway_ip") or str(network[1])
        item["allocation_pools"] = item.get("allocation_pools") or [{"start": str(network[2]), "end": str(network[-2])}]
        item |= {"enable_dhcp": item.get("enable_dhcp", True), "shared": False}
        item |= {key: item.get(key) or [] for key in ("dns_nameservers", "host_routes")}

    def _put_in_network(self, subnet: Object) -> None:
        network = self._item("network", subnet["network_id"])
        network["_neutron"]["subnets"].append(subnet["id"])
        ipam = ["default-domain", "default-project", "default-network-ipam"]
        subnets = [self._item("subnet", each)["_neutron"] for each in network["_neutron"]["subnets"]]
        attr = [
            {
                "subnet": {"ip_prefix": each["cidr"].split("/")[0], "ip_prefix_len": int(each["cidr"].split("/")[1])},
                "default_gateway": each["gateway_ip"],
                "subnet_uuid": each["id"],
            }
            for each in subnets
        ]
        self.api.update(network, {"network_ipam_refs": [{"to": ipam, "attr": {"ipam_subnets": attr}}]})

    def _new_port(self, item: Object) -> None:
        network = self._item("network", item["network_id"])["_neutron"]
        item["mac_address"] = item.get("mac_address") or "02:" + ":".join(
            f"{random.randrange(256):02x}" for _ in range(5)
        )
        item["fixed_ips"] = [
            self._address(network, each) for each in item.get("fixed_ips") or [{}] if network["subnets"]
        ]
        item |= {"status": "ACTIVE" if item.get("device_id") else "DOWN", "port_security_enabled": True}
        item |= {"admin_state_up": item.get("admin_state_up", True), "binding:vif_type": "vrouter"}
        item.setdefault("binding:vnic_type", "normal")
        item.setdefault("binding:host_id", "")
        item |= {"binding:vif_details": {"port_filter": True}, "binding:profile": item.get("binding:profile") or {}}
        item |= {key: item.get(key) or "" for key in ("device_id", "device_owner")}
        item |= {key: item.get(key) or [] for key in ("security_groups", "allowed_address_pairs", "extra_dhcp_opts")}

    def _address(self, network: Object, asked: Object) -> Object:
        subnet = self._item("subnet", asked.get("subnet_id") or network["subnets"][0])["_neutron"]
        ports = [each for each in self._all("port", {}) if each["network_id"] == network["id"]]
        taken = {ip["ip_address"] for port in ports for ip in port["fixed_ips"]} | {subnet["gateway_ip"]}
        pool = subnet["allocation_pools"][0]
        first, last = (int(ipaddress.ip_address(pool[end])) for end in ("start", "end"))
        free = (str(ipaddress.ip_address(each)) for each in range(first, last + 1))
        address = asked.get("ip_address") or next((each for each in free if each not in taken), None)
        if address is None or address in taken:
            what = "IpAddressGenerationFailure" if address is None else "IpAddressInUse"
            raise _refusal(what, network["id"], str(address))
        return {"subnet_id": subnet["id"], "ip_address": address}

    def _new_security_group(self, item: Object) -> None:
        item["security_group_rules"] = []

    def _delete(self, resource: str, item: Object) -> None:
        try:
            if resource == "subnet":
                network = self._item("network", item["_neutron"]["network_id"])
                if any(ip["subnet_id"] == item["uuid"] for port in self._all("port", {}) for ip in port["fixed_ips"]):
                    raise Refused(409, f"subnet {item['uuid']} has ports")
                network["_neutron"]["subnets"].remove(item["uuid"])
                self.api.update(network, {})
            if resource == "network":
                if any(port["network_id"] == item["uuid"] for port in self._all("port", {})):
                    raise Refused(409, f"network {item['uuid']} has ports")
                for subnet in item["_neutron"]["subnets"]:
                    self.api.delete(self._item("subnet", subnet))
            self.api.delete(item)
        except Refused as error:
            name = {"network": "NetworkInUse", "subnet": "SubnetInUse"}.get(resource, "Conflict")
            raise _refusal(name, item["uuid"]) from error


def _refusal(exception: str, identity: str = "", message: str = "") -> Refused:
    """As contrail-api says it: the name of Neutron's exception, and its words."""
    names = ("net_id", "network_id", "subnet_id", "port_id", "router_id")
    words = {"exception": exception, "msg": message, "reason": message, **dict.fromkeys(names, identity)}
    return Refused(400, json.dumps(words))
