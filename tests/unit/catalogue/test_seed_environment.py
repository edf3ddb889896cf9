"""An environment written for the first docker-opencontrail is understood by the images of today."""

import pytest

from stackyard.catalogue import catalogue_root, load
from stackyard.catalogue.container import container_json
from stackyard.entrypoint.contract import read_environment

SEED = """\
ADMIN_PASSWORD=contrail123
ADMIN_TENANT=admin
ADMIN_TOKEN=contrail123
ADMIN_USER=admin
ANALYTICS_API_SERVER=192.168.0.1
CASSANDRA_SERVER=192.168.0.1
CIDR=24
CINDER_SERVER=192.168.0.1
CONFIG_API_SERVER=192.168.0.1
DISCOVERY_SERVER=192.168.0.1
GATEWAY_IP=192.168.0.1
GLANCE_SERVER=192.168.0.1
HOST_IP=192.168.0.14
IFMAP_SERVER=192.168.0.1
KEYSTONE_SERVER=192.168.0.1
MEMCACHED_SERVER=192.168.0.1
MYSQL_SERVER=192.168.0.1
NEUTRON_SERVER=192.168.0.1
NOVA_SERVER=192.168.0.1
PHYSICAL_INTERFACE=eth0
RABBIT_SERVER=192.168.0.1
REDIS_SERVER=192.168.0.1
VNC_PROXY=192.168.0.14
ZOOKEEPER_SERVER=192.168.0.1
"""
ENVIRONMENT = dict(line.split("=", 1) for line in SEED.splitlines())


@pytest.fixture(scope="module")
def catalogue():
    return load(catalogue_root(), "2026.2", "ovn")


@pytest.mark.parametrize("image", ["glance-api", "nova-api", "nova-conductor", "nova-scheduler", "nova-novncproxy"])
def test_the_seeds_environment_is_enough(catalogue, image):
    data = container_json(catalogue, image)
    outcome = read_environment(data["contract"], ENVIRONMENT, known=data["known"], removed=data["removed"])
    assert not outcome.errors
    assert outcome.values["KEYSTONE_PASSWORD"] == outcome.values["DATABASE_PASSWORD"] == ENVIRONMENT["ADMIN_PASSWORD"]
    assert any("ADMIN_PASSWORD_FILE" in note for note in outcome.notes)


def test_what_went_away_is_named(catalogue):
    data = container_json(catalogue, "nova-api")
    outcome = read_environment(data["contract"], ENVIRONMENT, known=data["known"], removed=data["removed"])
    assert any("VNC_PROXY" in note and "HOST_IP" in note for note in outcome.notes)
