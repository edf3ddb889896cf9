"""What a site file says of its public network, decided: addresses, the engine's network, what Neutron is told."""

import json
from dataclasses import replace
from typing import Any

import pytest
from test_decide import everything, planned, rendered

from resolved_sites import FACTS, resolved
from stackyard.plan.decide import Plan, Port
from stackyard.plan.facts import HostFacts
from stackyard.plan.observed import Network, Observed
from stackyard.plan.resolved import EngineNetwork, ResolvedSite
from stackyard.plan.text import as_data, as_text

NETWORKS = {"management": "172.31.80.0/24", "tunnel": "172.31.81.0/24"}
POOL = {"start": "203.0.113.100", "end": "203.0.113.119"}
AT_INTERFACE = {"range": "203.0.113.0/24", "gateway": "203.0.113.254", "pool": POOL, "interface": "eth1"}
NAME = "demo-public"


def site(public: Any, facts: HostFacts = FACTS, **changes: Any) -> ResolvedSite:
    return resolved("demo", facts=facts, networks={**NETWORKS, "public": public}, **changes)


def of_nodes(made: ResolvedSite) -> list[str]:
    return [str(node.public) for node in made.nodes if node.public]


def network(made: ResolvedSite) -> dict[str, Any]:
    """The external network, as the job is told of it that makes it."""
    told = json.loads(made.by_name["demo-controller-cloud-contents"].values["CONTENTS"])
    return next(each for each in told["networks"] if each["external"])


def test_a_range_alone_is_a_network_of_the_engine_with_the_host_in_it() -> None:
    made = site("198.18.82.0/24")
    assert made.networks[NAME] == EngineNetwork("198.18.82.0/24")
    assert of_nodes(made) == ["198.18.82.11", "198.18.82.12"]
    assert network(made)["vlan"] is None


def test_a_range_with_gateway_and_pool_leaves_both_out_for_nodes() -> None:
    made = site(
        {"range": "198.18.82.0/24", "gateway": "198.18.82.9", "pool": {"start": "198.18.82.10", "end": "198.18.82.250"}}
    )
    assert made.networks[NAME] == EngineNetwork("198.18.82.0/24", gateway="198.18.82.9")
    assert of_nodes(made) == ["198.18.82.252", "198.18.82.253"]


def test_nodes_find_addresses_below_a_pool_that_begins_early() -> None:
    made = site({"range": "198.18.82.0/24", "pool": {"start": "198.18.82.10", "end": "198.18.82.254"}})
    assert of_nodes(made) == ["198.18.82.3", "198.18.82.4"]


def test_at_an_interface_nodes_have_no_address_of_the_range() -> None:
    """Addresses of the link, by the name of the site: nobody there has them."""
    made = site(AT_INTERFACE)
    wanted = made.networks[NAME]
    assert (wanted.interface, wanted.gateway, wanted.internal) == ("eth1", "", False)
    assert wanted.subnet.startswith("169.254.")
    assert not wanted.subnet.startswith("169.254.169.")
    assert all(each.rpartition(".")[0] == wanted.subnet.rpartition(".")[0] for each in of_nodes(made))
    assert site(AT_INTERFACE).networks == made.networks
    assert site(AT_INTERFACE, site="other").networks["other-public"].subnet != wanted.subnet


def test_their_addresses_can_be_said() -> None:
    made = site({**AT_INTERFACE, "nodes": "198.18.83.0/28"})
    assert made.networks[NAME].subnet == "198.18.83.0/28"
    assert of_nodes(made) == ["198.18.83.11", "198.18.83.12"]


@pytest.mark.parametrize("vlan", [None, 120])
def test_neutron_is_told_what_the_site_says(vlan: int | None) -> None:
    made = site({**AT_INTERFACE, "vlan": vlan})
    told = network(made)
    assert {key: told[key] for key in ("cidr", "gateway", "pool", "vlan")} == {
        "cidr": "203.0.113.0/24",
        "gateway": "203.0.113.254",
        "pool": POOL,
        "vlan": vlan,
    }


@pytest.mark.parametrize(
    ("public", "asked", "vlans"),
    [("198.18.82.0/24", "198.18.82.0/24", None), (AT_INTERFACE, "0.0.0.0/0", "public")],
    ids=["through the host", "at an interface"],
)
def test_other_networks_of_the_wire_are_no_business_of_the_host(public: Any, asked: str, vlans: str | None) -> None:
    made = site(public).by_name
    assert made["demo-compute1-gateway-filter"].values["PUBLIC_NETWORK"] == asked
    values = made["demo-controller-neutron-server"].values
    assert (values["PHYSICAL_NETWORKS"], values.get("VLAN_NETWORKS") or None) == ("public", vlans)


# ---------------------------------------------------------------- what is there


def there(**changes: Any) -> tuple[ResolvedSite, Observed]:
    """A site at an interface, which is up."""
    made = site(AT_INTERFACE)
    observed = everything(made, rendered(made))
    return made, replace(observed, networks={**observed.networks, NAME: replace(observed.networks[NAME], **changes)})


def ports(plan: Plan) -> list[tuple[str, str]]:
    return [(port.verb, port.interface) for port in plan.ports]


def verb(plan: Plan) -> str:
    return next(step.verb for step in plan.networks if step.name == NAME)


def test_nothing_is_to_do_when_it_is_as_it_should_be() -> None:
    made, observed = there()
    assert planned(made, observed).empty


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"interfaces": ()}, [("connect", "eth1")]),
        ({"shut": False}, [("connect", "eth1")]),
        ({"interfaces": ("eth0",)}, [("disconnect", "eth0"), ("connect", "eth1")]),
        ({"interfaces": ("eth0", "eth1")}, [("disconnect", "eth0"), ("connect", "eth1")]),
    ],
    ids=["none", "the host takes part", "another", "one too many"],
)
def test_the_interface_that_is_said_and_no_other_is_a_part_of_it(
    changes: dict[str, Any], wanted: list[tuple[str, str]]
) -> None:
    made, observed = there(**changes)
    plan = planned(made, observed)
    assert ports(plan) == wanted
    assert all(port.bridge == "br-1" for port in plan.ports)
    assert not plan.empty
    assert not plan.changes
    assert "  ~ interface eth1: connect, network demo-public\n" in as_text(made, plan)
    assert as_data(made, plan)["interfaces"][-1]["interface"] == "eth1"


@pytest.mark.parametrize(
    "changes", [{"outside": False}, {"subnets": ("169.254.1.0/24",)}], ids=["the host is in it", "another range"]
)
def test_a_network_of_another_kind_is_made_anew(changes: dict[str, Any]) -> None:
    made, observed = there(**changes)
    plan = planned(made, observed)
    assert verb(plan) == "recreate"
    assert plan.ports == (Port("disconnect", NAME, "eth1", "br-1"), Port("connect", NAME, "eth1"))


def test_one_that_is_not_wanted_any_more_gives_its_interface_back() -> None:
    made = site(None, contents={})
    public = Network(NAME, ("169.254.1.0/24",), internal=False, outside=True, bridge="br-1", interfaces=("eth1",))
    observed = everything(made, rendered(made))
    plan = planned(made, replace(observed, networks={**observed.networks, NAME: public}))
    assert verb(plan) == "remove"
    assert ports(plan) == [("disconnect", "eth1")]


@pytest.mark.parametrize(("had", "wanted"), [("198.18.82.1", "recreate"), ("198.18.82.9", "unchanged")])
def test_the_address_of_the_host_is_the_one_that_is_said(had: str, wanted: str) -> None:
    made = site({"range": "198.18.82.0/24", "gateway": "198.18.82.9"})
    observed = everything(made, rendered(made))
    networks = {**observed.networks, NAME: replace(observed.networks[NAME], gateway=had)}
    assert verb(planned(made, replace(observed, networks=networks))) == wanted
