"""The file of a saved site made into that of another: its networks, and all addresses in them."""

from typing import Any

import pytest

from fakes import FakeEngine, FakeHost
from stackyard.deploy.another import _networks
from stackyard.errors import InputError

NONE = {"network ls": "", "network inspect": "[]"}
"""An engine without networks."""


def moved(networks: dict[str, Any], **rest: Any) -> dict[str, Any]:
    """The document after it."""
    document = {"networks": {"management": "198.18.80.0/24", **networks}, "nodes": {"one": {}}, **rest}
    _networks(FakeHost(FakeEngine(NONE)), document, "copy")
    return document


def test_a_range_moves_with_the_addresses_that_nodes_were_given() -> None:
    made = moved({"tunnel": "198.18.81.0/24"}, nodes={"one": {"management": "198.18.80.77"}, "two": {}})
    assert made["networks"] == {"management": "198.18.82.0/24", "tunnel": "198.18.83.0/24"}
    assert made["nodes"] == {"one": {"management": "198.18.82.77"}, "two": {}}


def test_so_do_gateway_and_pool_of_the_public_one_wherever_they_are_said() -> None:
    public = {
        "range": "198.18.82.0/24",
        "gateway": "198.18.82.9",
        "pool": {"start": "198.18.82.20", "end": "198.18.82.40"},
    }
    outside = {"external": True, "cidr": "198.18.82.0/24", "pool": {"start": "198.18.82.30", "end": "198.18.82.40"}}
    inside = {"cidr": "10.0.0.0/24", "gateway": "10.0.0.9"}
    contents = {"networks": {"outside": outside, "inside": dict(inside), "empty": None}}
    made = moved({"public": public}, contents=contents)
    assert made["networks"]["public"] == {
        "range": "198.18.83.0/24",
        "gateway": "198.18.83.9",
        "pool": {"start": "198.18.83.20", "end": "198.18.83.40"},
    }
    assert made["contents"]["networks"]["outside"] == {
        "external": True,
        "cidr": "198.18.83.0/24",
        "pool": {"start": "198.18.83.30", "end": "198.18.83.40"},
    }
    assert made["contents"]["networks"]["inside"] == inside


def test_an_interface_stays_with_the_saved_site() -> None:
    """There is one of it: the other site leads out through the host."""
    pool = {"start": "203.0.113.100", "end": "203.0.113.119"}
    public = {"range": "203.0.113.0/24", "gateway": "203.0.113.1", "pool": pool, "interface": "eth1"}
    made = moved({"public": {**public, "nodes": "169.254.7.0/24"}})["networks"]["public"]
    assert made.keys() == {"range", "gateway", "pool"}
    assert made["range"].endswith(".0/24")
    assert made["pool"]["end"] == made["range"].replace(".0/24", ".119")


def test_a_public_range_of_the_internet_is_not_followed_by_its_neighbours() -> None:
    made = moved(
        {"public": {"range": "8.8.8.0/24", "interface": "eth1", "pool": {"start": "8.8.8.9", "end": "8.8.8.10"}}}
    )
    assert made["networks"]["public"]["range"].startswith("198.18.")


def test_a_vlan_cannot_be_that_of_two_sites() -> None:
    with pytest.raises(InputError) as caught:
        moved({"public": {"range": "203.0.113.0/24", "interface": "eth1", "vlan": 120}})
    assert caught.value.message == "its public network is VLAN 120 of eth1, and there is one of that"
