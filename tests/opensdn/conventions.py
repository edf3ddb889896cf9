"""contrail-api-client against the config API's stand-in, its store in memory: run in an image of the stand-ins."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from standin.config_api import ConfigApi
from standin.neutron import Neutron
from standin.web import Refused, ask, serve
from vnc_api import vnc_api
from vnc_api.gen import resource_xsd as xsd

PORT = 28082
FABRIC = ["default-domain", "default-project", "ip-fabric", "__default__"]


class MemoryStore:
    """A store for this test: a dictionary."""

    def __init__(self) -> None:
        self.items: dict[str, str] = {}

    def all(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.items.values()]

    def get(self, identity: str) -> dict[str, Any] | None:
        return json.loads(self.items[identity]) if identity in self.items else None

    def put(self, item: dict[str, Any]) -> None:
        self.items[item["uuid"]] = json.dumps(item)

    def remove(self, item: dict[str, Any]) -> None:
        del self.items[item["uuid"]]

    def claim(self, item: dict[str, Any]) -> str:
        key = (item["type"], item["fq_name"])
        return next((each["uuid"] for each in self.all() if (each["type"], each["fq_name"]) == key), item["uuid"])


def raises(kind: type[Exception], call: Callable[[], object]) -> None:
    try:
        call()
    except kind:
        return
    raise AssertionError(kind)


def objects(client: vnc_api.VncApi) -> None:
    """Create, refer, change, list, delete."""
    instance = client.routing_instance_read(fq_name=FABRIC)
    parameters = xsd.BgpRouterParams(router_type="control-node", autonomous_system=64512, address="192.0.2.1")
    first = vnc_api.BgpRouter("one", instance, bgp_router_parameters=parameters)
    client.bgp_router_create(first)
    raises(vnc_api.RefsExistError, lambda: client.bgp_router_create(vnc_api.BgpRouter("one", instance)))
    second = vnc_api.BgpRouter("two", instance)
    second.add_bgp_router(first, xsd.BgpPeeringAttributes(session=[xsd.BgpSession()]))
    client.bgp_router_create(second)
    read = client.bgp_router_read(id=second.uuid)
    assert read.get_bgp_router_refs()[0]["to"] == [*FABRIC, "one"]
    assert read.get_bgp_router_refs()[0]["attr"].session
    raises(vnc_api.RefsExistError, lambda: client.bgp_router_delete(id=first.uuid))
    read.del_bgp_router(first)
    client.bgp_router_update(read)
    client.bgp_router_delete(id=first.uuid)
    raises(vnc_api.NoIdError, lambda: client.bgp_router_read(id=first.uuid))
    assert [router.name for router in client.bgp_routers_list(detail=True)] == ["two"]
    assert client.bgp_router_read(fq_name=[*FABRIC, "two"]).uuid == second.uuid
    assert client.id_to_fq_name(second.uuid) == [*FABRIC, "two"]
    system = client.global_system_config_read(fq_name=["default-global-system-config"])
    system.autonomous_system = 65000
    client.global_system_config_update(system)
    assert client.global_system_config_read(id=system.uuid).autonomous_system == 65000


def lists_and_collections(client: vnc_api.VncApi) -> None:
    """Filters, fields, children, back references, maps, keys and values."""
    project = client.project_read(fq_name=FABRIC[:2])
    ipam = client.network_ipam_read(fq_name=[*FABRIC[:2], "default-network-ipam"])
    network = vnc_api.VirtualNetwork("red", project)
    subnet = xsd.IpamSubnetType(subnet=xsd.SubnetType("198.51.100.0", 24))
    network.add_network_ipam(ipam, xsd.VnSubnetsType([subnet]))
    network.add_annotations(xsd.KeyValuePair("k", "1"))
    client.virtual_network_create(network)
    network.add_annotations(xsd.KeyValuePair("k", "2"))
    client.virtual_network_update(network)
    read = client.virtual_network_read(id=network.uuid)
    assert [(pair.key, pair.value) for pair in read.get_annotations().key_value_pair] == [("k", "2")]
    assert [child["to"][-1] for child in read.get_routing_instances()] == ["red"]
    found = client.virtual_networks_list(filters={"display_name": "red"}, fields=["network_ipam_refs"])
    assert [item["network_ipam_refs"][0]["uuid"] for item in found["virtual-networks"]] == [ipam.uuid]
    assert len(client.virtual_networks_list(back_ref_id=[ipam.uuid])["virtual-networks"]) == 1
    assert client.virtual_networks_list(parent_id=project.uuid, count=True) == {"virtual-networks": {"count": 4}}
    raises(vnc_api.RefsExistError, lambda: client.project_delete(id=project.uuid))
    client.virtual_network_delete(id=network.uuid)
    raises(vnc_api.BadRequest, lambda: client.bgp_router_create(vnc_api.BgpRouter("x", vnc_api.RoutingInstance("y"))))
    client.kv_store("a", "b")
    assert client.kv_retrieve("a") == "b"
    client.kv_delete("a")


def networks_of_neutron() -> None:
    """What the Neutron plugin relays."""

    def neutron(resource: str, operation: str, /, **data: object) -> Any:
        context = {"operation": operation, "tenant_id": "a" * 32}
        return ask(f"http://127.0.0.1:{PORT}/neutron/{resource}", {"context": context, "data": data})[0]

    groups = neutron("security_group", "READALL", filters={"tenant_id": ["a" * 32]})
    assert [group["name"] for group in groups] == ["default"]
    network = neutron("network", "CREATE", resource={"name": "blue"})["id"]
    neutron("subnet", "CREATE", resource={"network_id": network, "cidr": "198.51.100.0/24"})
    port = neutron("port", "CREATE", resource={"network_id": network, "device_id": "vm"})
    assert port["fixed_ips"][0]["ip_address"] == "198.51.100.2"
    assert port["binding:vif_type"] == "vrouter"
    assert neutron("port", "READALL", filters={"device_id": ["vm"]}) == [port]
    assert neutron("port", "READCOUNT", filters={"device_id": ["other"]}) == {"count": 0}
    assert neutron("port", "UPDATE", id=port["id"], resource={"name": "eth"})["name"] == "eth"
    raises(Refused, lambda: neutron("network", "DELETE", id=network))
    neutron("port", "DELETE", id=port["id"])
    neutron("network", "DELETE", id=network)
    assert neutron("network", "READALL") == []


def main() -> None:
    schema = json.loads(Path("/opt/standin/schema.json").read_text())
    user = {"owner": "cloud-admin", "admin": True, "aaa_mode": "no-auth"}
    api = ConfigApi(MemoryStore(), schema, lambda _token: user)
    api.routes["neutron"] = Neutron(api)
    api.make_defaults()
    serve("127.0.0.1", PORT, api.handle)
    client = vnc_api.VncApi(api_server_host="127.0.0.1", api_server_port=PORT, auth_type="noauth")
    objects(client)
    lists_and_collections(client)
    networks_of_neutron()
    print("the conventions are kept")


if __name__ == "__main__":
    main()
