"""What runs where: roles, groups and services; and the endpoints that this makes."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from resolved_sites import FACTS, TOY, Resolve, counted, resolved
from stackyard.catalogue import open_site
from stackyard.errors import InputError
from stackyard.plan.resolve import resolve
from stackyard.plan.resolved import ResolvedSite

SPREAD = {
    "data": {"roles": ["common"]},
    "api": {"roles": ["nova", "neutron", "glance", "control"]},
    "cache": {"roles": ["memcached"]},
    "host": {"roles": ["compute"]},
}


@pytest.fixture(scope="module")
def spread() -> ResolvedSite:
    """The demo's containers on four nodes that name groups and services."""
    return resolved("demo", nodes=SPREAD)


def keys(site: ResolvedSite, node: str) -> set[str]:
    return {each.name for each in site.containers if each.node == node}


def test_nodes_run_the_groups_and_services_that_they_name(spread: ResolvedSite, demo: ResolvedSite) -> None:
    assert {"mariadb", "rabbitmq", "keystone", "memcached"} < keys(spread, "data")
    assert {"nova-api", "neutron-server", "glance-api", "ovn-sb", "placement"} < keys(spread, "api")
    assert keys(spread, "cache") == {"memcached"}
    assert keys(spread, "host") == keys(demo, "compute1")
    assert {each.name for each in spread.containers} == {each.name for each in demo.containers}


def test_who_calls_an_endpoint_gets_its_members(spread: ResolvedSite) -> None:
    addresses = {node.name: str(node.management) for node in spread.nodes}
    values = spread.by_name["demo-host-nova-compute"].values
    assert values["KEYSTONE_SERVER"] == values["RABBIT_SERVER"] == addresses["data"]
    assert values["MEMCACHED_SERVER"] == f"{addresses['data']},{addresses['cache']}"
    assert spread.by_name["demo-host-neutron-ovn-agent"].values["NOVA_SERVER"] == addresses["api"]


def test_the_cloud_s_catalogue_of_services_has_both_urls(spread: ResolvedSite) -> None:
    secrets = spread.by_name["demo-data-keystone-bootstrap"].secrets
    entries = {each["type"]: each for each in json.loads(secrets["IDENTITY_ENDPOINTS"].reveal())}
    assert set(entries) == {"identity", "image", "placement", "compute", "network"}
    api = str(spread.node("api").management)
    assert entries["compute"]["internal"] == f"http://{api}:8774/v2.1"
    assert entries["compute"]["public"] == "http://127.0.0.1:8774/v2.1"
    assert {port.port for port in spread.node("api").published} == {8774, 6080, 9696, 9292, 8778}


def test_waits_cross_nodes_by_name(spread: ResolvedSite) -> None:
    waits = {wait.name: wait.providers for wait in spread.by_name["demo-api-nova-api"].waits}
    assert waits == {"nova-bootstrap": ("demo-api-nova-bootstrap",)}
    waits = {wait.name: wait.providers for wait in spread.by_name["demo-host-nova-compute"].waits}
    assert waits["Keystone"] == ("demo-data-keystone",)


def test_a_second_node_for_what_cannot_be_a_cluster_is_one_sentence() -> None:
    nodes = {"one": {"roles": ["controller"]}, "two": {"roles": ["controller"]}, "three": {"roles": ["compute"]}}
    with pytest.raises(InputError) as caught:
        resolved("demo", nodes=nodes)
    assert caught.value.message == (
        "nodes.two.roles: one and two would both run mariadb, mariadb-bootstrap, rabbitmq and 20 more, "
        "which cannot be a cluster"
    )
    assert caught.value.hint == "name other groups or services for one of them"


def test_what_needs_the_network_of_a_host_is_refused_on_a_virtual_node() -> None:
    site, catalogue = open_site("demo")
    service = catalogue.services["ovn"]
    needy = service.containers["ovs-db"].model_copy(update={"host_network": True})
    changed = service.model_copy(update={"containers": {**service.containers, "ovs-db": needy}})
    with pytest.raises(InputError) as caught:
        resolve(replace(catalogue, services={**catalogue.services, "ovn": changed}), site, FACTS, counted())
    told = "nodes.compute1.roles: ovs-db needs the network of a host itself, and compute1, compute2 would be virtual"
    assert caught.value.message.endswith(told)


def test_a_group_that_nobody_runs_is_told_with_who_needs_it() -> None:
    with pytest.raises(InputError) as caught:
        resolved("demo", nodes={"one": {"roles": ["compute"]}})
    assert "no node of the site runs the container keystone, which serves identity" in caught.value.message
    assert "nova-compute needs it" in caught.value.message


def test_nodes_without_vms_have_no_zone(demo: ResolvedSite) -> None:
    assert {node.name: node.zone for node in demo.nodes} == {"controller": "", "compute1": "az1", "compute2": "az2"}


# ---------------------------------------------------------------- ports


def test_a_port_is_changed_for_everybody(demo: ResolvedSite) -> None:
    site = resolved("demo", services={"keystone": {"environment": {"API_PORT": 5999}}})
    address = str(site.node("controller").management)
    assert site.by_name["demo-controller-keystone"].values["API_PORT"] == "5999"
    assert site.by_name["demo-compute1-nova-compute"].values["KEYSTONE_URL"] == f"http://{address}:5999/v3"
    assert site.by_name["demo-controller-keystone"].health.http == f"http://{address}:5999/v3"
    assert site.declarations["credentials"][0]["auth_url"] == "http://127.0.0.1:5999/v3"
    assert 5999 in {port.host_port for port in site.node("controller").published}
    assert "KEYSTONE_URL" not in demo.by_name["demo-compute1-nova-compute"].values
    wait = next(wait for wait in site.by_name["demo-compute1-nova-compute"].waits if wait.name == "Keystone")
    assert wait.providers == ("demo-controller-keystone",)


def test_a_database_on_another_port_is_told_its_clients() -> None:
    site = resolved("demo", containers={"mariadb": {"environment": {"MYSQL_PORT": 3307}}})
    assert site.by_name["demo-controller-nova-api"].values["MYSQL_PORT"] == "3307"
    assert site.by_name["demo-controller-mariadb"].values["MYSQL_PORT"] == "3307"


def test_a_port_that_a_client_cannot_be_told_is_refused(toy: Resolve) -> None:
    with pytest.raises(InputError) as caught:
        toy(settings={"ECHO_PORT": "7001"})
    assert caught.value.message == "settings.ECHO_PORT: late calls greeting and cannot be told of port 7001"


def test_a_server_elsewhere_is_asked_from_here(toy: Resolve) -> None:
    site = toy(nodes={"two": {"roles": ["compute"]}}, settings={"ECHO_SERVER": "192.0.2.9"})
    (wait,) = site.by_name["toytest-two-late"].waits
    assert (wait.providers, wait.probe.http) == ((), "http://192.0.2.9:7000/")


# ---------------------------------------------------------------- what the site says


def values(**changes: Any) -> dict[str, dict[str, str]]:
    return {each.key: dict(each.values) for each in resolved("demo", **changes).containers}


def test_options_of_a_service_reach_all_of_its_containers_and_no_other() -> None:
    options = {"DEFAULT": {"cpu_allocation_ratio": 2.0, "debug": True}, "pci": {"alias": ["a", "b"]}}
    found = values(services={"nova": {"options": options}})
    with_it = {key for key, each in found.items() if "OS_DEFAULT__CPU_ALLOCATION_RATIO" in each}
    service = open_site("demo")[1].services["nova"].containers
    assert with_it == {key for key in found if key.partition("/")[2] in service}
    assert found["compute1/nova-compute"]["OS_DEFAULT__DEBUG"] == "true"
    assert found["compute1/nova-compute"]["OS_PCI__ALIAS"] == "a,b"


def test_the_nearest_word_wins() -> None:
    nodes = {
        "controller": {"roles": ["controller"]},
        "compute1": {"roles": ["compute"], "environment": {"LOG_LEVEL": "debug"}},
        "compute2": {"roles": ["compute"], "services": {"nova": {"options": {"DEFAULT": {"my": 3}}}}},
    }
    found = values(
        nodes=nodes,
        settings={"LOG_LEVEL": "info"},
        services={"nova": {"environment": {"LOG_LEVEL": "debug"}, "options": {"DEFAULT": {"my": 1}}}},
        containers={"nova-compute": {"environment": {"LOG_LEVEL": "info"}, "options": {"DEFAULT": {"my": 2}}}},
    )
    assert found["controller/glance-api"]["LOG_LEVEL"] == "info"
    assert found["controller/nova-api"]["LOG_LEVEL"] == "debug"
    assert found["compute2/nova-compute"]["LOG_LEVEL"] == "info"
    assert found["compute1/nova-compute"]["LOG_LEVEL"] == "debug"
    assert "LOG_LEVEL" not in found["compute1/ovs-db"]
    assert [found[key]["OS_DEFAULT__MY"] for key in ("controller/nova-api", "compute1/nova-compute")] == ["1", "2"]
    assert found["compute2/nova-compute"]["OS_DEFAULT__MY"] == "3"


def test_what_a_container_is_told_changes_nothing_else() -> None:
    before, after = values(), values(containers={"nova-api": {"environment": {"API_THREADS": 16}}})
    assert {key for key in before if before[key] != after[key]} == {"controller/nova-api"}


WRONG = {
    "a service": ({"services": {"nvoa": {}}}, "services.nvoa: there is no service `nvoa`", "did you mean nova?"),
    "a variable": (
        {"services": {"nova": {"environment": {"API_THREDS": 4}}}},
        "services.nova.environment.API_THREDS: nothing of nova knows the variable API_THREDS",
        "did you mean API_THREADS?",
    ),
    "a value": (
        {"containers": {"nova-api": {"environment": {"API_THREADS": "many"}}}},
        "containers.nova-api.environment.API_THREADS: 'many' is not a whole number",
        "correct the value",
    ),
    "options of nobody": (
        {"services": {"mariadb": {"options": {"mysqld": {"x": 1}}}}},
        "services.mariadb.options: mariadb takes no options",
        "it takes variables: ",
    ),
    "a secret": (
        {"services": {"nova": {"options": {"glance": {"password": "x"}}}}},
        "services.nova.options.glance.password: a secret, which everybody could read",
        "gives them as files",
    ),
    "options of a node": (
        {"nodes": {"one": {"roles": ["controller", "compute"], "options": {"DEFAULT": {"x": 1}}}}},
        "nodes.one.options: options belong to a service",
        "services: {NAME:",
    ),
    "an option as a setting": (
        {"settings": {"OS_DEFAULT__CPU_ALLOCATION_RATIO": "2.0"}},
        "settings.OS_DEFAULT__CPU_ALLOCATION_RATIO: OS_DEFAULT__CPU_ALLOCATION_RATIO is an option of one service",
        "services: {NAME: {options:",
    ),
    "a container": (
        {"containers": {"nova-apy": {"environment": {}}}},
        "containers.nova-apy: there is no container `nova-apy`",
        "did you mean nova-api?",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_bad_words(name: str, tmp_path: Path) -> None:
    changes, message, hint = WRONG[name]
    site = json.loads((open_site("demo")[0]).model_dump_json(exclude_defaults=True)) | changes
    file = tmp_path / "site.yaml"
    file.write_text(json.dumps(site))
    with pytest.raises(InputError) as caught:
        open_site(str(file))
    assert message in caught.value.message
    assert f"{file}:1: " in caught.value.message
    assert hint in caught.value.hint


def test_a_changed_question_keeps_the_order(tmp_path: Path) -> None:
    """Who provides what is told by name: another way to ask changes nothing of the order."""
    root = Path(shutil.copytree(TOY, tmp_path / "catalogue"))
    file = root / "toy" / "echo" / "service.yaml"
    file.write_text(file.read_text().replace("health: {endpoint: greeting}", "health: {exec: [ls]}"))
    waits = [resolved("toy", each).by_name["toytest-two-late"].waits for each in (root, TOY)]
    assert waits[0] == waits[1]
