"""The script that makes the contents of a cloud, as far as it can be decided without one."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

FILE = Path(__file__).parents[3] / "catalogue/openstack/cloud-contents/contents.py"


@pytest.fixture(scope="module")
def contents() -> Iterator[Any]:
    sys.path.insert(0, str(FILE.parent))  # as in the image: beside it is what it imports
    spec = importlib.util.spec_from_file_location("cloud_contents", FILE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(FILE.parent))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("icmp", ("icmp", None, None, "0.0.0.0/0")),
        ("any", (None, None, None, "0.0.0.0/0")),
        ("tcp/22", ("tcp", 22, 22, "0.0.0.0/0")),
        ("udp/5000-5010 from 192.0.2.0/24", ("udp", 5000, 5010, "192.0.2.0/24")),
        ("tcp", ("tcp", None, None, "0.0.0.0/0")),
    ],
)
def test_rules_are_neutrons(contents: Any, text: str, values: tuple[object, ...]) -> None:
    keys = ("protocol", "port_range_min", "port_range_max", "remote_ip_prefix")
    wanted = {"direction": "ingress", "ethertype": "IPv4", **dict(zip(keys, values, strict=True))}
    assert contents.rule(text) == wanted


@pytest.mark.parametrize(("there", "same"), [(None, True), ("0.0.0.0/0", True), ("192.0.2.0/24", False)])
def test_a_rule_for_anybody_is_told_in_two_ways(contents: Any, there: str | None, same: bool) -> None:
    wanted = contents.rule("tcp/22")
    assert contents.Networks.same({**wanted, "remote_ip_prefix": there}, wanted) is same


@pytest.mark.parametrize(
    ("found", "ours"),
    [
        ({"description": "Made from the site file."}, True),
        ({"description": "Made from the site file. For a first look."}, True),
        ({"description": "Mine"}, False),
        ({"description": None}, False),
        ({"made_from": "Made from the site file."}, True),
        ({}, False),
    ],
)
def test_only_what_has_the_mark_is_ours(contents: Any, found: dict[str, Any], ours: bool) -> None:
    assert contents.ours(found) is ours


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"NeutronError": {"type": "BadRequest", "message": "the router has it", "detail": ""}}, "the router has it"),
        ({"badRequest": {"code": 400, "message": "no such flavor"}}, "no such flavor"),
        (None, "as keystoneauth says it"),
    ],
    ids=["Neutron", "Nova", "no JSON"],
)
def test_what_an_api_says_is_told(contents: Any, body: object, told: str) -> None:
    def answered() -> object:
        if body is None:
            raise ValueError
        return body

    error = SimpleNamespace(response=SimpleNamespace(json=answered), http_status=400, message="as keystoneauth says it")
    assert contents.said(error).startswith(told)


@pytest.mark.parametrize(
    ("was", "wanted", "refused"),
    [
        (None, None, ""),
        (120, 121, ""),
        (None, 120, "it is untagged, and cannot become VLAN 120: a network of another name can be that"),
        (120, None, "it is VLAN 120, and cannot become untagged: a network of another name can be that"),
    ],
)
def test_an_external_network_becomes_another_vlan_and_nothing_else(
    contents: Any, was: int | None, wanted: int | None, refused: str
) -> None:
    """Neutron itself refuses it while something is in the network: tests/cloud/test_interface.py."""
    called: list[Any] = []

    def call(_verb: str, path: str, body: Any) -> Any:
        called.append((path, body))
        return body

    networks = contents.Networks.__new__(contents.Networks)
    networks.networks = SimpleNamespace(api=SimpleNamespace(call=call))
    found = {"id": "7", contents.VLAN: None, **contents.physical(was)}
    if refused:
        with pytest.raises(contents.Refused) as caught:
            networks.moved_to("network public", found, contents.physical(wanted))
        assert str(caught.value) == refused
    else:
        networks.moved_to("network public", found, contents.physical(wanted))
        assert found[contents.VLAN] == wanted
    changed = [("/v2.0/networks/7", {"network": {contents.VLAN: wanted}})] if (was, wanted) == (120, 121) else []
    assert called == changed
