"""A site with OpenContrail whose configuration and control run on three nodes; its programs are stand-ins."""

from collections.abc import Iterator

import pytest

from contrail import DATA, Contrail, running, stand_ins
from demo import engine
from tool import Tool
from waiting import wait_for

pytestmark = [pytest.mark.cloud, pytest.mark.full]

SITE = {
    **DATA,
    "site": "several",
    "networks": {"management": "198.18.88.0/24", "tunnel": "198.18.89.0/24"},
    "publish": {"offset": 25000},
    "nodes": {
        "controller1": {"roles": ["controller"]},
        "controller2": {"roles": ["config", "control"]},
        "controller3": {"roles": ["config", "control"]},
    },
    "containers": {},
}
NAMES = ["controller1", "controller2", "controller3"]
KINDS = {"bgp_routers": "bgp-routers", "config_nodes": "config-nodes"}


@pytest.fixture(scope="module")
def site(stackyard: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Contrail]:
    stand_ins()
    yield from running(stackyard, tmp_path_factory.mktemp("several"), SITE)


def registered(site: Contrail, kind: str) -> list[str]:
    """Return the names of all nodes of the site that are registered as such."""
    found = getattr(site.api, f"{kind}_list")()[KINDS[kind]]
    return sorted(each["fq_name"][-1] for each in found if each["fq_name"][-1] in NAMES)


def test_everything_is_ready_and_a_second_up_does_nothing(site: Contrail) -> None:
    assert site.lacks() == {}
    assert "nothing to do" in site("up", "--plan").stdout


@pytest.mark.parametrize("kind", KINDS)
def test_every_node_is_registered(site: Contrail, kind: str) -> None:
    assert registered(site, kind) == NAMES


def test_a_network_can_be_made_while_a_node_is_lost(site: Contrail) -> None:
    lost = [site.container("controller2", name) for name in ("config-api", "config-schema", "control-control")]
    engine("stop", *lost)
    try:
        network = site.cloud.network.create_network(name="blue")
        assert network.id in {each["uuid"] for each in site.api.virtual_networks_list()["virtual-networks"]}
        site.cloud.network.delete_network(network)
        told = site("status", "--output", "json", check=False).json
        assert {"config-api", "config-schema"} <= {each["container"] for each in told if each["ready"] == "no"}
    finally:
        engine("start", *lost)
    wait_for("everything to be ready again", site.ready, 180)


@pytest.mark.parametrize("kind", KINDS)
def test_a_node_that_goes_is_registered_no_more(site: Contrail, kind: str) -> None:
    site.write({**SITE, "nodes": {name: SITE["nodes"][name] for name in NAMES[:2]}})
    site("up")
    assert registered(site, kind) == NAMES[:2]
    assert site.lacks() == {}
