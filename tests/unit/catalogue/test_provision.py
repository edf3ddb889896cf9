"""OpenContrail's job provision.py, with its real client, against the config API's stand-in."""

import copy
import importlib.util
import json
import socket
import socketserver
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from vnc_api import vnc_api

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "catalogue" / "opencontrail" / "provisioner" / "provision.py"
sys.path.insert(0, str(ROOT / "tests" / "opensdn"))

from standin import config_api, schema, web  # noqa: E402 - of tests/opensdn

OPEN = config_api.Keystone({}, "no-auth", "admin")


def node(name, number):
    """A node as the site's expressions have it."""
    return {"name": name, "management": f"192.0.2.{number}", "tunnel": f"198.51.100.{number}", "zone": name}


SITE = {
    "api": {"hosts": ["127.0.0.1"], "port": 0},
    "auth": {
        "protocol": "http",
        "host": "127.0.0.1",
        "port": 5000,
        "user": "opencontrail",
        "password": 'p"a\\s',
        "project": "service",
        "domain": "Default",
    },
    "nodes": [
        {"kind": "bgp-router", "nodes": [node("control1", 11), node("control2", 12)]},
        {"kind": "config-node", "nodes": [node("control1", 11)]},
        {"kind": "config-database-node", "nodes": [node("control1", 11)]},
        {"kind": "database-node", "nodes": [node("control1", 11)]},
        {"kind": "analytics-node", "nodes": [node("control1", 11)]},
        {"kind": "analytics-alarm-node", "nodes": [node("control1", 11)]},
        {"kind": "analytics-snmp-node", "nodes": [node("control1", 11)]},
        {"kind": "virtual-router", "nodes": [node("compute1", 21), node("compute2", 22)]},
    ],
    "dpdk": False,
    "bgp": {"asn": 64512, "auto_mesh": True, "port": 179},
    "encapsulations": ["VXLAN", "MPLSoUDP", "MPLSoGRE"],
    "linklocal": {
        "name": "metadata",
        "address": "169.254.169.254",
        "port": 80,
        "hosts": ["192.0.2.11"],
        "hosts_port": 8775,
    },
}


@pytest.fixture(scope="module")
def script():
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("provision", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Store(dict):
    """Objects in memory. ``writes`` counts what changed them."""

    writes = 0

    def all(self):
        return [*self.values()]

    def put(self, item):
        self.writes += 1
        self[item["uuid"]] = item

    def remove(self, item):
        self.writes += 1
        del self[item["uuid"]]

    def claim(self, item):
        same = (each for each in self.values() if (each["type"], each["fq_name"]) == (item["type"], item["fq_name"]))
        return next(same, item)["uuid"]


@pytest.fixture(scope="module")
def described():
    """What the client knows of types."""
    classes = vars(vnc_api).values()
    kinds = {each.resource_type: each for each in classes if getattr(each, "resource_type", None)}
    return {kind: schema._described(each) for kind, each in kinds.items()}


class Cloud:
    """A config API, an operator's client of it, and the job."""

    def __init__(self, script, described, folder, auth=OPEN):
        self.script, self.store, self.file = script, Store(), folder / "site.json"
        self.api = config_api.ConfigApi(self.store, described, auth)
        self.api.make_defaults()
        self.server = web.serve("127.0.0.1", 0, self.api.handle)
        self.port = self.server.server_address[1]

    def provision(self, site):
        """Run the job; returns how many objects it wrote."""
        self.file.write_text(json.dumps({**site, "api": {"hosts": ["127.0.0.1"], "port": self.port}}))
        before = self.store.writes
        self.script.main(str(self.file))
        return self.store.writes - before

    @property
    def client(self):
        return vnc_api.VncApi(auth_type="noauth", api_server_host="127.0.0.1", api_server_port=self.port)

    def of(self, kind):
        """Objects of a kind, by name."""
        return {each["fq_name"][-1]: each for each in self.api.of(kind)}

    def system(self):
        (found,) = self.of("global-system-config").values()
        return found

    def vrouters(self):
        (found,) = self.of("global-vrouter-config").values()
        return found


@pytest.fixture
def cloud(script, described, tmp_path, monkeypatch):
    """A config API that has nothing but what it makes itself."""
    monkeypatch.setattr(socketserver.StreamRequestHandler, "disable_nagle_algorithm", True)
    monkeypatch.setattr(script, "INTERVAL", 0)
    monkeypatch.setattr(script.signal, "alarm", lambda _: None)
    monkeypatch.setattr(script.signal, "signal", lambda *_: None)
    return Cloud(script, described, tmp_path)


def changed(**keys):
    """The site with other keys."""
    site = copy.deepcopy(SITE)
    for key, value in keys.items():
        site[key] = {**site[key], **value} if isinstance(value, dict) else value
    return site


def other(change):
    """The site with nodes that are changed; nothing in place of one leaves it out."""
    made = [{**each, "nodes": [*filter(None, map(change, each["nodes"]))]} for each in SITE["nodes"]]
    return changed(nodes=made)


def without(*names):
    """The site without nodes."""
    return other(lambda node: None if node["name"] in names else node)


def test_everything_of_the_site_is_registered(cloud):
    cloud.provision(SITE)
    for kind in cloud.script.KINDS:
        part = "tunnel" if kind == "virtual-router" else "management"
        wanted = {node["name"]: node[part] for each in SITE["nodes"] if each["kind"] == kind for node in each["nodes"]}
        field = f"{kind.replace('-', '_')}_ip_address"
        address = lambda each: each.get(field) or each["bgp_router_parameters"]["address"]  # noqa: E731, B023
        assert {name: address(each) for name, each in cloud.of(kind).items()} == wanted, kind
    assert (cloud.system()["autonomous_system"], cloud.system()["ibgp_auto_mesh"]) == (64512, True)
    assert {each["to"][-1] for each in cloud.system()["bgp_router_refs"]} == {"control1", "control2"}
    assert cloud.vrouters()["encapsulation_priorities"]["encapsulation"] == SITE["encapsulations"]
    assert cloud.vrouters()["linklocal_services"]["linklocal_service_entry"] == [
        {
            "linklocal_service_name": "metadata",
            "linklocal_service_ip": "169.254.169.254",
            "linklocal_service_port": 80,
            "ip_fabric_DNS_service_name": "",
            "ip_fabric_service_port": 8775,
            "ip_fabric_service_ip": ["192.0.2.11"],
        }
    ]


def test_a_control_node_is_a_bgp_router_of_the_underlay(cloud):
    cloud.provision(SITE)
    router = cloud.of("bgp-router")["control1"]
    assert router["fq_name"] == ["default-domain", "default-project", "ip-fabric", "__default__", "control1"]
    parameters = {key: value for key, value in router["bgp_router_parameters"].items() if value}
    assert parameters == {
        "router_type": "control-node",
        "vendor": "contrail",
        "autonomous_system": 64512,
        "identifier": "192.0.2.11",
        "address": "192.0.2.11",
        "port": 179,
        "address_families": {"family": ["route-target", "inet-vpn", "e-vpn", "erm-vpn", "inet6-vpn"]},
    }


def test_a_compute_node_has_its_interface_in_the_underlay(cloud):
    cloud.provision(SITE)
    interfaces = [each for each in cloud.api.of("virtual-machine-interface") if each["fq_name"][-1] == "vhost0"]
    assert {each["fq_name"][1] for each in interfaces} == {"compute1", "compute2"}
    for each in interfaces:
        assert each["virtual_network_refs"][0]["to"] == ["default-domain", "default-project", "ip-fabric"]
        assert each["virtual_machine_interface_disable_policy"] is True


def test_a_second_run_writes_nothing(cloud):
    assert cloud.provision(SITE)
    assert cloud.provision(SITE) == 0


@pytest.mark.parametrize(
    "site",
    [
        changed(bgp={"asn": 65001, "auto_mesh": False, "port": 1179}),
        changed(bgp={"asn": 4200000001}),
        changed(encapsulations=["MPLSoUDP", "VXLAN", "MPLSoGRE"]),
        changed(linklocal={"hosts": ["192.0.2.12", "192.0.2.13"], "hosts_port": 9775}),
        changed(linklocal={"hosts": ["nova.example.org"]}),
        changed(linklocal={"name": "cloud"}),
        changed(linklocal={"hosts": []}),
        changed(dpdk=True),
        other(lambda node: {**node, "management": node["management"] + "0", "tunnel": "198.51.100.9"}),
        other(lambda node: {**node, "name": node["name"] + "x"}),
        changed(nodes=[]),
        without("control2", "compute1"),
    ],
)
def test_a_changed_site_is_as_a_new_one(cloud, script, described, tmp_path, site):
    """Afterwards there is what there would be, had it been so from the beginning."""
    cloud.provision(SITE)
    cloud.provision(site)
    assert cloud.provision(site) == 0
    (folder := tmp_path / "new").mkdir()
    new = Cloud(script, described, folder)
    new.provision(site)
    more = {"global-system-config": {"enable_4byte_as"}}
    assert comparable(cloud, more) == comparable(new, more)


def comparable(cloud, more):
    """All objects, without what is different in each cloud; what refers to others by name."""
    ids = {"uuid", "id_perms", "perms2", "parent_uuid"}
    nothing = ([], None, {"linklocal_service_entry": []})
    named = lambda value: sorted(":".join(ref["to"]) for ref in value)  # noqa: E731
    return sorted(
        json.dumps(
            {
                key: named(value) if key.endswith("_refs") else value
                for key, value in each.items()
                if key not in ids | more.get(each["type"], set()) and value not in nothing
            },
            sort_keys=True,
        )
        for each in cloud.store.all()
    )


def test_a_large_number_of_an_autonomous_system_is_switched_on(cloud):
    cloud.provision(changed(bgp={"asn": 4200000001}))
    assert cloud.system()["enable_4byte_as"] is True


def test_what_belongs_to_others_stays_as_it_is(cloud):
    client = cloud.client
    fabric = client.routing_instance_read(fq_name=cloud.script.ROUTERS)
    system = client.global_system_config_read(fq_name=cloud.script.SYSTEM)
    its = vnc_api.BgpRouterParams(router_type="router", autonomous_system=65000)
    mx = vnc_api.BgpRouter("mx1", fabric, bgp_router_parameters=its)
    client.bgp_router_create(mx)
    client.virtual_router_create(vnc_api.VirtualRouter("tor1", system, virtual_router_ip_address="192.0.2.99"))
    client.config_node_create(vnc_api.ConfigNode("elsewhere", system, config_node_ip_address="192.0.2.98"))
    entry = vnc_api.LinklocalServiceEntryType("mirror", "169.254.1.1", 80, "", 80, ["192.0.2.97"])
    vrouters = client.global_vrouter_config_read(fq_name=cloud.script.VROUTERS)
    vrouters.set_linklocal_services(vnc_api.LinklocalServicesTypes([entry]))
    vrouters.set_annotations(vnc_api.KeyValuePairs([vnc_api.KeyValuePair("by", "operator")]))
    client.global_vrouter_config_update(vrouters)
    before = copy.deepcopy({kind: cloud.of(kind) for kind in ("virtual-router", "config-node")})
    cloud.provision(SITE)
    control = cloud.of("bgp-router")["control1"]
    client.ref_update("bgp-router", mx.uuid, "bgp-router", control["uuid"], control["fq_name"], "ADD")
    router = copy.deepcopy(cloud.of("bgp-router")["mx1"])
    cloud.provision(changed(nodes=[], linklocal={"hosts": []}))
    assert {kind: cloud.of(kind) for kind in before} == before
    del router["bgp_router_refs"], router["id_perms"]  # a reference to what is gone
    found = cloud.of("bgp-router")
    assert [*found] == ["mx1"]
    assert not found["mx1"]["bgp_router_refs"]
    assert {key: found["mx1"][key] for key in router} == router
    (service,) = cloud.vrouters()["linklocal_services"]["linklocal_service_entry"]
    assert service["linklocal_service_name"] == "mirror"
    assert {"key": "by", "value": "operator"} in cloud.vrouters()["annotations"]["key_value_pair"]


def test_settings_of_others_in_a_control_node_stay(cloud):
    cloud.provision(SITE)
    client = cloud.client
    router = client.bgp_router_read(fq_name=[*cloud.script.ROUTERS, "control1"])
    parameters = router.get_bgp_router_parameters()
    parameters.set_hold_time(30)
    parameters.set_local_autonomous_system(65010)
    router.set_bgp_router_parameters(parameters)
    client.bgp_router_update(router)
    cloud.provision(changed(bgp={"asn": 65001}))
    parameters = cloud.of("bgp-router")["control1"]["bgp_router_parameters"]
    found = [parameters[key] for key in ("autonomous_system", "hold_time", "local_autonomous_system")]
    assert found == [65001, 30, 65010]


def test_control_nodes_that_are_peers_of_each_other_can_go(cloud):
    """As with the mesh that the schema transformer makes."""
    cloud.provision(SITE)
    one, two = (cloud.of("bgp-router")[name] for name in ("control1", "control2"))
    for here, there in ((one, two), (two, one)):
        cloud.client.ref_update("bgp-router", here["uuid"], "bgp-router", there["uuid"], there["fq_name"], "ADD")
    cloud.provision(without("control2"))
    assert [*cloud.of("bgp-router")] == ["control1"]
    assert not cloud.of("bgp-router")["control1"]["bgp_router_refs"]
    assert [each["to"][-1] for each in cloud.system()["bgp_router_refs"]] == ["control1"]


def test_a_router_of_the_same_name_is_refused(cloud):
    fabric = cloud.client.routing_instance_read(fq_name=cloud.script.ROUTERS)
    mine = vnc_api.BgpRouterParams(router_type="router", autonomous_system=65000)
    cloud.client.bgp_router_create(vnc_api.BgpRouter("control1", fabric, bgp_router_parameters=mine))
    with pytest.raises(SystemExit, match="BGP router control1 of type router, which is no control node; give"):
        cloud.provision(SITE)


def test_what_the_api_refuses_ends_the_job(cloud):
    def handle(method, path, query, body, headers):
        if method == "POST" and path == "/bgp-routers":
            raise web.Refused(400, "ASN out of range")
        return old(method, path, query, body, headers)

    old, cloud.api.handle = cloud.api.handle, None
    cloud.server.shutdown()
    cloud.server.server_close()
    cloud.server = web.serve("127.0.0.1", cloud.port, handle)
    with pytest.raises(SystemExit, match=f"the config API at 127.0.0.1, port {cloud.port} refuses: ASN out of range"):
        cloud.provision(SITE)


def test_it_waits_for_the_api_and_for_what_holds_a_node(cloud, monkeypatch, capsys):
    """Both are told by name; the first when nothing is there, the second until somebody lets go."""
    cloud.provision(SITE)
    system = cloud.client.global_system_config_read(fq_name=cloud.script.SYSTEM)
    router = cloud.client.virtual_router_read(fq_name=[*cloud.script.SYSTEM, "compute2"])
    device = vnc_api.PhysicalRouter("leaf1", system)
    device.add_virtual_router(router)
    cloud.client.physical_router_create(device)
    port, steps = cloud.port, iter(["back", "gone"])
    cloud.server.shutdown()
    cloud.server.server_close()

    def sleep(_):
        match next(steps):
            case "back":
                cloud.server = web.serve("127.0.0.1", port, cloud.api.handle)
            case "gone":
                cloud.store.remove(cloud.of("physical-router")["leaf1"])

    monkeypatch.setattr(cloud.script.time, "sleep", sleep)
    monkeypatch.setattr(cloud.script, "MINUTE", 0)
    cloud.provision(without("compute2"))
    assert [*cloud.of("virtual-router")] == ["compute1"]
    first, second = capsys.readouterr().err.splitlines()
    assert f"the config API at 127.0.0.1, port {port} does not answer as it should: ConnectionError" in first
    assert "virtual-router compute2, which the site has no more, cannot be removed: Delete when" in second


HANGS = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("provision", sys.argv[1])
provision = importlib.util.module_from_spec(spec)
spec.loader.exec_module(provision)
provision.DEADLINE = 1
provision.main(sys.argv[2])
"""


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (None, "gave up after 1 s; seen last: the config API has not answered"),
        (b"HTTP/1.0 200 OK\r\n\r\n{}", "does not answer as it should: 'href'"),
        (b"HTTP/1.0 200 OK\r\n\r\nhello", "does not answer as it should: Expecting value"),
        (b"HTTP/1.0 500 No\r\n\r\nno database", "does not answer as it should: HTTP Status: 500 Content: no database"),
    ],
)
def test_it_gives_up_at_its_deadline(answer, seen, tmp_path):
    """Whatever hangs, and says what was seen."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(65536)
            self.request.sendall(answer)

    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = (server.server_address if answer else silent.getsockname())[1]
        (tmp_path / "site.json").write_text(json.dumps(changed(api={"port": port})))
        argv = [sys.executable, "-c", HANGS, SCRIPT, tmp_path / "site.json"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        server.shutdown()
    assert done.returncode == 1
    assert seen in done.stderr.splitlines()[-1]


def test_it_signs_in_with_any_password(script, cloud):
    """Keystone's stand-in takes the password as JSON has it."""
    asked = []

    def keystone(_method, path, _query, body, _headers):
        if path != "/v3/auth/tokens":
            raise web.Refused(404, path)
        asked.append(body["auth"])
        raise web.Refused(401, "no")

    server = web.serve("127.0.0.1", 0, keystone)

    def refuse(_):
        raise web.Refused(401, "Authentication required")

    cloud.api.auth = refuse
    site = changed(auth={"port": server.server_address[1]})
    with pytest.raises(RuntimeError, match="Authentication Failure"):
        script.reconcile(script.connect({**site, "api": {"hosts": ["127.0.0.1"], "port": cloud.port}}), site)
    assert asked[0]["identity"]["password"]["user"] == {
        "name": "opencontrail",
        "domain": {"name": "Default"},
        "password": SITE["auth"]["password"],
    }
    assert asked[0]["scope"] == {"project": {"name": "service", "domain": {"name": "Default"}}}
