"""Which images of the real catalogue a changed line of each script rebuilds."""

import shutil
from pathlib import Path

import pytest

from stackyard.catalogue import catalogue_root, load
from stackyard.images.foundations import Foundation, Foundations
from stackyard.images.identity import Identity
from stackyard.images.parts import ContextFile
from stackyard.images.recipe import recipe

RELEASE, SDNS = "2026.2", ("ovn", "opencontrail")
NOVA = {"nova", *(f"nova-{name}" for name in ("api", "metadata", "conductor", "scheduler", "novncproxy"))}
COMPUTE = {"nova-compute", "nova-compute-rbd"}
NEUTRON = {f"neutron-{name}" for name in ("server", "rpc-server", "periodic-workers", "ovn-maintenance-worker")}

REBUILT = [
    pytest.param("openstack/nova/daemon.py", {*COMPUTE, "nova-conductor", "nova-scheduler"}),
    pytest.param("openstack/nova/consoles.py", {"nova-novncproxy"}),
    pytest.param("openstack/nova/hypervisor", COMPUTE),
    pytest.param("openstack/nova/zones.py", {"nova"}),
    # All images of Nova but those wait for the migration, and MariaDB's has it done.
    pytest.param("openstack/nova/migrate.py", {*NOVA, "mariadb"}),
    pytest.param("openstack/keystone/accounts.py", {"keystone"}),
    pytest.param("openstack/cloud-contents/ranges.py", {"cloud-contents"}),
    pytest.param("openstack/cloud-contents/contents.py", {"cloud-contents"}),
    pytest.param("openstack/horizon/dashboard.py", {"horizon"}),
    pytest.param("openstack/horizon/static.py", {"horizon"}),
    pytest.param("openstack/horizon/build.py", {"horizon"}),
    pytest.param("openstack/horizon/no-definitions.patch", {"horizon"}),
    pytest.param("openstack/horizon/no-distutils.patch", {"horizon"}),
    pytest.param("openstack/cinder/daemon.py", {f"cinder-{name}" for name in ("scheduler", "volume", "backup")}),
    pytest.param("common/ceph/accounts", {"ceph"}),
    pytest.param("common/ceph/monitor", {"ceph-mon"}),
    pytest.param("common/ceph/own-users", {"ceph-mon"}),
    pytest.param("common/ceph/store", {"ceph-osd"}),
    pytest.param("common/ceph/works", {"ceph-mon", "ceph-osd"}),
    pytest.param("common/mariadb/bake.sh", {"mariadb"}),
    pytest.param("common/mariadb/data-directory", {"mariadb"}),
    pytest.param("common/mariadb/takes-a-write", {"mariadb"}),
    pytest.param("common/rabbitmq/takes-a-message", {"rabbitmq"}),
    pytest.param("common/rabbitmq/forget-accounts", {"rabbitmq"}),
    pytest.param("common/libvirt/end-vms", {"libvirt", "libvirt-rbd"}),
    pytest.param("common/libvirt/find-hypervisor", {"libvirt", "libvirt-rbd"}),
    pytest.param("common/libvirt/certificates", {"libvirt", "libvirt-rbd"}),
    pytest.param("common/libvirt/probe-kvm", {"libvirt", "libvirt-rbd"}),
    pytest.param("common/libvirt/started", {"libvirt", "libvirt-rbd"}),
    pytest.param("ovn/ovn/database", {"ovn-nb", "ovn-sb", "ovs-db"}),
    pytest.param("ovn/ovn/filled", {"ovn-controller"}),
    pytest.param("ovn/ovn/identity", {"ovs-vswitchd"}),
    pytest.param("ovn/ovn/bridges", {"ovs-vswitchd"}),
    pytest.param("ovn/ovn/gateway-filter", {"gateway-filter"}),
    pytest.param("ovn/neutron/agent.py", {"neutron-ovn-agent"}),
    pytest.param("ovn/neutron/forget-metadata-ports", {"neutron-ovn-agent"}),
    pytest.param("ovn/neutron/tcp-passes-the-mtu-check.patch", NEUTRON),
    pytest.param("opencontrail/cassandra/cql", {"cassandra"}),
    pytest.param("opencontrail/cassandra/data-directory", {"cassandra"}),
    pytest.param("opencontrail/cassandra/joined", {"cassandra"}),
    pytest.param("opencontrail/cassandra/nodetool", {"cassandra"}),
    pytest.param("opencontrail/kafka/data-directory", {"kafka"}),
    pytest.param("opencontrail/kafka/works", {"kafka"}),
    pytest.param("opencontrail/redis/works", {"redis"}),
    pytest.param("opencontrail/zookeeper/data-directory", {"zookeeper"}),
    pytest.param("opencontrail/zookeeper/works", {"zookeeper"}),
    pytest.param("opencontrail/provisioner/provision.py", {"provisioner"}),
]


def identities(root: Path, sdn: str) -> dict[str, str]:
    """Image -> identity."""
    catalogue = load(root, RELEASE, sdn)
    bases = {name: Foundation("base", {}) for name in catalogue.bases}
    made = recipe(catalogue, Foundations(bases, ContextFile(b"uv", 0o755)))
    return {image: Identity(made.inputs(image)).value for image in made.images}


@pytest.fixture(scope="module")
def all_before() -> dict[str, dict[str, str]]:
    return {sdn: identities(catalogue_root(), sdn) for sdn in SDNS}


@pytest.mark.parametrize(("script", "expected"), REBUILT)
def test_a_changed_line_rebuilds_the_images_that_run_it(
    script: str, expected: set[str], all_before: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    sdn = next((each for each in SDNS if script.startswith(f"{each}/")), SDNS[0])
    before = all_before[sdn]
    root = Path(shutil.copytree(catalogue_root(), tmp_path / "catalogue"))
    with (root / script).open("a") as file:
        file.write("# one more line\n")
    after = identities(root, sdn)
    assert {image for image in before if before[image] != after[image]} == expected


def test_every_script_is_in_the_table() -> None:
    root = catalogue_root()
    files = [path for path in root.glob("*/*/*") if path.is_file() and path.parent.joinpath("service.yaml").exists()]
    files += [path for path in root.glob("ovn/*/*") if path.is_file()]
    scripts = {str(path.relative_to(root)) for path in files if path.suffix not in {".yaml", ".j2"}}
    assert {each.values[0] for each in REBUILT} == scripts
