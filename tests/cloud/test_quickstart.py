"""What ./quickstart does: build, up, verify, env."""

import json
import sys
import urllib.request

import pytest

from demo import COMPUTES, NAME, checks, engine, failed
from tool import PROGRAM, ROOT, run

pytestmark = pytest.mark.cloud

WHO_HAS = """
import socket, struct, sys, time
interface, address = sys.argv[1], socket.inet_aton(sys.argv[2])
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
link.bind((interface, 0x0806))
link.settimeout(0.2)
own = link.getsockname()[4]
request = struct.pack("!HHHBBH6s4s6s4s", 0x0806, 1, 0x0800, 6, 4, 1, own, bytes(4), bytes(6), address)
link.send(b"\\xff" * 6 + own + request)
end, found = time.monotonic() + 3, set()
while time.monotonic() < end:
    try:
        frame = link.recv(64)
    except TimeoutError:
        continue
    if frame[20:22] == b"\\0\\2" and frame[28:32] == address:
        found.add(frame[22:28].hex(":"))
print(*found)
"""
"""Asks for an address by ARP, with none of its own, and prints every MAC that answers."""


def test_everything_runs(fresh_site):
    assert fresh_site.came_up is not None
    assert fresh_site.came_up.json
    for node in COMPUTES:
        for container in ("libvirt", "nova-compute", "ovn-controller"):
            assert fresh_site.container(node, container) in fresh_site.containers()


def test_what_waits_for_another_does_not_end(fresh_site):
    """While all of it comes up at once."""
    assert fresh_site.restarted == {}


def test_images_carry_the_seeds_labels(fresh_site):
    def repositories(label: str) -> set[str]:
        listing = engine("images", "--format", "{{.Repository}}", "--filter", f"label={label}").stdout
        return {name.rsplit("/", 1)[-1] for name in listing.split()}

    assert fresh_site.built is not None
    assert {"nova-api", "nova-conductor", "nova-compute"} <= repositories("net.juniper.openstack=nova")
    compute = repositories("net.juniper.node=compute")
    assert "nova-compute" in compute
    assert "keystone" not in compute


def test_the_proof_succeeds(site):
    proof = site.verify()
    assert checks(proof)
    assert failed(proof) == []


def test_the_proof_leaves_nothing(site):
    assert list(site.cloud.compute.servers(all_projects=True)) == []


def test_the_credentials_are_those_of_an_administrator(site):
    assert site.cloud.identity.get(f"/users/{site.cloud.current_user_id}").status_code == 200


def test_a_tunnel_address_has_one_mac(site):
    """That of the bridge: on the interface below it, whose frames are Open vSwitch's, the kernel answers nobody."""
    told = json.loads(engine("inspect", *(f"{NAME}-{node}" for node in COMPUTES)).stdout)
    asked, asking = (one["NetworkSettings"]["Networks"][f"{NAME}-tunnel"] for one in told)
    links = json.loads(site.inside("compute2", "ovs-vswitchd", "ip", "-json", "link").stdout)
    (interface,) = [link["ifname"] for link in links if link["address"] == asking["MacAddress"]]
    beside = ("nsenter", "--target", str(told[1]["State"]["Pid"]), "--net")
    answers = run(*beside, sys.executable, "-c", WHO_HAS, interface, asked["IPAddress"]).stdout.split()
    (bridge,) = json.loads(site.inside("compute1", "ovs-vswitchd", "ip", "-json", "link", "show", "br-tun").stdout)
    assert answers == [bridge["address"]]


def test_no_container_is_privileged(site):
    for name in site.containers():
        outcome = engine("inspect", "--format", "{{.HostConfig.Privileged}} {{.HostConfig.CapDrop}}", name)
        assert outcome.stdout.strip() == "false [ALL]", name


def test_nodes_are_namespaces_of_which_the_host_sees_published_ports_only(site):
    told = json.loads(engine("inspect", *site.containers()).stdout)
    joined = {f"container:{one['Id']}" for one in told}
    nodes = [one for one in told if one["HostConfig"]["NetworkMode"] not in joined]
    assert {one["Name"] for one in nodes} == {f"/{NAME}-{node}" for node in ("controller", *COMPUTES)}
    for node in nodes:
        outside = {f"{NAME}-public"} if node["Name"] != f"/{NAME}-controller" else set()
        assert node["NetworkSettings"]["Networks"].keys() == {f"{NAME}-management", f"{NAME}-tunnel", *outside}
    bindings = [each for node in nodes for ports in node["HostConfig"]["PortBindings"].values() for each in ports]
    assert {each["HostIp"] for each in bindings} == {"127.0.0.1"}
    assert engine("network", "inspect", "--format", "{{.Internal}}", f"{NAME}-tunnel").stdout.strip() == "true"


def test_the_page_of_consoles_is_there(site):
    assert site.containers()
    with urllib.request.urlopen("http://127.0.0.1:6080/vnc_lite.html", timeout=20) as answer:
        assert b"noVNC" in answer.read()


def test_no_secret_is_in_an_environment_or_an_argument(site):
    password = site.credentials["OS_PASSWORD"]
    for name in site.containers():
        assert password not in engine("inspect", name).stdout, name


def test_a_second_quickstart_takes_seconds(site):
    assert site.containers()
    run(str(ROOT / "quickstart"), timeout=600)
    again = run(str(ROOT / "quickstart"), timeout=60)
    assert "were proven before" in again.stderr
    assert str(PROGRAM.relative_to(ROOT)) in again.stdout
