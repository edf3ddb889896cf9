"""What ./quickstart does: build, up, verify, env."""

import json
import urllib.request

import pytest

from demo import COMPUTES, NAME, checks, engine, failed
from tool import PROGRAM, ROOT, run

pytestmark = pytest.mark.cloud


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
