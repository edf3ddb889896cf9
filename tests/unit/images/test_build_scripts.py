"""Which images of the real catalogue a changed line of each script rebuilds."""

import shutil
from pathlib import Path

import pytest
import yaml

from stackyard.catalogue import catalogue_root, load
from stackyard.images.foundations import Foundation, Foundations
from stackyard.images.identity import Identity
from stackyard.images.parts import ContextFile
from stackyard.images.recipe import recipe

RELEASE = "2026.2"
DATABASES = {"cassandra", "kafka", "redis", "zookeeper"}
NOVA = {"nova", *(f"nova-{name}" for name in ("api", "metadata", "conductor", "scheduler", "novncproxy", "compute"))}

REBUILT = [
    pytest.param("openstack/nova/daemon.py", {"nova-compute", "nova-conductor", "nova-scheduler"}),
    pytest.param("openstack/nova/hypervisor", {"nova-compute"}),
    pytest.param("openstack/nova/zones.py", {"nova"}),
    # All images of Nova but this one wait for the migration, and MariaDB's has it done.
    pytest.param("openstack/nova/migrate.py", {*NOVA, "mariadb"} - {"nova-compute"}),
    pytest.param("openstack/keystone/accounts.py", {"keystone"}),
    pytest.param("common/mariadb/bake.sh", {"mariadb"}),
    pytest.param("common/mariadb/data-directory", {"mariadb"}),
    pytest.param("common/mariadb/takes-a-write", {"mariadb"}),
    pytest.param("common/rabbitmq/takes-a-message", {"rabbitmq"}),
    pytest.param("common/rabbitmq/forget-accounts", {"rabbitmq"}),
    pytest.param("common/libvirt/find-hypervisor", {"libvirt"}),
    pytest.param("common/libvirt/probe-kvm", {"libvirt"}),
    pytest.param("common/libvirt/started", {"libvirt"}),
    pytest.param("ovn/ovn/database", {"ovn-nb", "ovn-sb", "ovs-db"}),
    pytest.param("ovn/ovn/identity", {"ovs-vswitchd"}),
    pytest.param("ovn/ovn/tunnel-bridge", {"ovs-vswitchd"}),
    pytest.param("ovn/neutron/agent.py", {"neutron-ovn-agent"}),
    pytest.param("ovn/neutron/forget-metadata-ports", {"neutron-ovn-agent"}),
    pytest.param("opencontrail/cassandra/cql", {"cassandra"}),
    pytest.param("opencontrail/cassandra/data-directory", {"cassandra"}),
    pytest.param("opencontrail/cassandra/joined", {"cassandra"}),
    pytest.param("opencontrail/cassandra/nodetool", {"cassandra"}),
    pytest.param("opencontrail/kafka/data-directory", {"kafka"}),
    pytest.param("opencontrail/kafka/works", {"kafka"}),
    pytest.param("opencontrail/redis/works", {"redis"}),
    pytest.param("opencontrail/zookeeper/data-directory", {"zookeeper"}),
    pytest.param("opencontrail/zookeeper/works", {"zookeeper"}),
]


def identities(root: Path, folder: Path) -> dict[str, str]:
    """Image -> identity, of everything in a site with OVN, and of OpenContrail's databases."""
    databases = folder / "databases.yaml"
    databases.write_text(yaml.safe_dump({"version": "1", "containers": dict.fromkeys(DATABASES)}))
    foundations = Foundations(
        {suite: Foundation("base", {}) for suite in ("trixie", "bookworm")}, ContextFile(b"uv", 0o755)
    )
    recipes = [recipe(load(root, RELEASE, "ovn"), foundations)]
    recipes += [recipe(load(root, RELEASE, "opencontrail", databases), foundations)]
    return {image: Identity(made.inputs(image)).value for made in recipes for image in made.images}


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return identities(catalogue_root(), tmp_path_factory.mktemp("before"))


@pytest.mark.parametrize(("script", "expected"), REBUILT)
def test_a_changed_line_rebuilds_the_images_that_run_it(
    script: str, expected: set[str], before: dict[str, str], tmp_path: Path
) -> None:
    root = Path(shutil.copytree(catalogue_root(), tmp_path / "catalogue"))
    with (root / script).open("a") as file:
        file.write("# one more line\n")
    after = identities(root, tmp_path)
    assert {image for image in before if before[image] != after[image]} == expected


def test_every_script_is_in_the_table() -> None:
    root = catalogue_root()
    files = [path for path in root.glob("*/*/*") if path.is_file() and path.parent.joinpath("service.yaml").exists()]
    files += [path for path in root.glob("ovn/*/*") if path.is_file()]
    scripts = {str(path.relative_to(root)) for path in files if path.suffix not in {".yaml", ".j2"}}
    assert {each.values[0] for each in REBUILT} == scripts
