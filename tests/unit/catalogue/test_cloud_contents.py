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
