"""A site with OpenContrail: real databases, OpenSDN's programs as stand-ins, and OpenStack that uses them."""

import json
import re
from collections.abc import Iterator

import pytest

from contrail import DATA, Contrail, running, stand_ins
from demo import engine
from tool import STATE, Tool
from waiting import NotYet, wait_for

pytestmark = [pytest.mark.cloud, pytest.mark.long]

NAME = DATA["site"]


@pytest.fixture(scope="module")
def site(stackyard: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Contrail]:
    stand_ins()
    yield from running(stackyard, tmp_path_factory.mktemp("opencontrail"), DATA)


def test_everything_is_ready_and_a_second_up_does_nothing(site: Contrail) -> None:
    assert site.lacks() == {}
    assert "nothing to do" in site("up", "--plan").stdout


def test_nothing_is_privileged_and_no_secret_is_in_sight(site: Contrail) -> None:
    ids = engine("ps", "--all", "--quiet", "--filter", f"label=stackyard.site={NAME}").stdout.split()
    told = engine("inspect", *ids).stdout
    data = json.loads(told)
    assert not [each["Name"] for each in data if each["HostConfig"]["Privileged"]]
    assert "docker.sock" not in told
    seen = told + "".join(f"{each.stdout}{each.stderr}" for each in (engine("logs", each) for each in ids))
    assert [name for name, value in site.secrets.items() if value in seen] == []


def test_the_site_is_registered_in_the_configuration(site: Contrail) -> None:
    api = site.api
    routers = api.bgp_routers_list(detail=True)
    assert [each.name for each in routers if each.bgp_router_parameters.vendor == "contrail"] == ["controller"]
    assert [each["fq_name"][-1] for each in api.config_nodes_list()["config-nodes"]] == ["controller"]
    assert [each["fq_name"][-1] for each in api.analytics_nodes_list()["analytics-nodes"]] == ["controller"]
    assert [each["fq_name"][-1] for each in api.virtual_routers_list()["virtual-routers"]] == ["compute1"]
    settings = api.global_vrouter_config_read(["default-global-system-config", "default-global-vrouter-config"])
    assert settings.encapsulation_priorities.encapsulation[0] == "VXLAN"
    (metadata,) = settings.linklocal_services.linklocal_service_entry
    assert (metadata.linklocal_service_name, metadata.linklocal_service_ip) == ("metadata", "169.254.169.254")


def test_a_network_of_neutron_is_one_of_the_configuration(site: Contrail) -> None:
    cloud = site.cloud
    network = cloud.network.create_network(name="blue")
    try:
        assert network.id in {each["uuid"] for each in site.api.virtual_networks_list()["virtual-networks"]}
        subnet = cloud.network.create_subnet(network_id=network.id, ip_version=4, cidr="192.0.2.0/24", name="blue")
        port = cloud.network.create_port(network_id=network.id)
        assert port.fixed_ips[0]["subnet_id"] == subnet.id
        cloud.network.delete_port(port)
    finally:
        cloud.network.delete_network(network)
    assert network.id not in {each["uuid"] for each in site.api.virtual_networks_list()["virtual-networks"]}


def test_status_tells_what_a_program_has_lost(site: Contrail) -> None:
    redis = site.container("controller", "redis")
    engine("stop", redis)
    try:

        def told() -> str:
            text = site.lacks().get("controller/analytics-api", "")
            if "Redis" not in text:
                raise NotYet(text)
            return text

        assert "Redis" in wait_for("analytics-api to tell", told, 60)
    finally:
        engine("start", redis)

    wait_for("everything to be ready again", site.ready, 120)


PLANTED = {
    "another port of Cassandra": ({"CONFIGDB_CQL_PORT": "9999"}, r":9999.*refused"),
    "another password": ({"SCHEMA__CASSANDRA__cassandra_password": "wrong"}, r"Cassandra"),
    "another port of the API": ({"CONFIG_API_PORT": "9998"}, r":9998.*refused"),
    "no list of nodes": ({"CONFIG_NODES": "", "CONTROLLER_NODES": ""}, r"CONFIG_NODES +is required"),
    "a node that is not there": ({"ZOOKEEPER_NODES": "198.18.86.99"}, r"Zookeeper"),
    "another virtual host": ({"RABBITMQ_VHOST": "elsewhere"}, r"RabbitMQ"),
}


@pytest.mark.parametrize("wrong", PLANTED)
def test_a_wiring_error_is_named(site: Contrail, wrong: str) -> None:
    environment, told = PLANTED[wrong]
    real, planted = site.container("controller", "config-schema"), f"{NAME}-controller-planted"
    compose = STATE / "sites" / NAME / "nodes/controller/config/docker-compose.yml"
    words = [word for name, value in environment.items() for word in ("-e", f"{name}={value}")]
    engine("stop", real)
    try:
        engine(
            "compose", "-f", str(compose), "run", "--detach", "--no-deps", "--name", planted, *words, "config-schema"
        )

        def named() -> None:
            health = engine("exec", planted, "/opt/stackyard/bin/entrypoint", "health", check=False).stderr
            logs = engine("logs", planted)
            if not re.search(told, health + logs.stdout + logs.stderr):
                raise NotYet(health)

        wait_for("the error to be named", named, 60)
    finally:
        engine("rm", "--force", planted, check=False)
        engine("start", real)
