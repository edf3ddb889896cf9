"""What a site file says of its public network, held against itself: each mistake with its place and its remedy."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from stackyard.catalogue import load_site, site_path
from stackyard.errors import InputError

POOL = {"start": "203.0.113.100", "end": "203.0.113.119"}
FITS: dict[str, Any] = {"range": "203.0.113.0/24", "gateway": "203.0.113.254", "pool": POOL, "interface": "eth1"}


def said(tmp_path: Path, public: Any) -> Path:
    """The demo's file with that."""
    document = yaml.safe_load(site_path("demo").read_text())
    document["networks"]["public"] = public
    file = tmp_path / "demo.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    return file


@pytest.mark.parametrize(
    "public",
    [
        FITS,
        {**FITS, "vlan": 4094, "nodes": "198.18.90.0/28"},
        {"range": "198.18.82.0/24"},
        {"range": "198.18.82.0/24", "pool": {"start": "198.18.82.8", "end": "198.18.82.254"}},
        {"range": "203.0.113.4/30", "interface": "eth1", "pool": {"start": "203.0.113.6", "end": "203.0.113.6"}},
    ],
)
def test_what_fits(tmp_path: Path, public: Any) -> None:
    assert load_site(said(tmp_path, public)).networks.public


WRONG: dict[str, tuple[Any, str, str, str]] = {
    "no pool": ({**FITS, "pool": None}, "", "nothing says which addresses of 203.0.113.0/24", "give its `pool`"),
    "no end": ({**FITS, "pool": {"start": "203.0.113.9"}}, ".pool.end", "", ""),
    "backwards": ({**FITS, "pool": {"start": "203.0.113.9", "end": "203.0.113.8"}}, ".pool", "it ends before", ""),
    "elsewhere": ({**FITS, "gateway": "203.0.114.1"}, ".gateway", "203.0.114.1 is not one of 203.0.113.0/24", "from"),
    "broadcast": (
        {**FITS, "pool": {**POOL, "end": "203.0.113.255"}},
        ".pool.end",
        "203.0.113.255 is not one of",
        "choose one from 203.0.113.1 to 203.0.113.254",
    ),
    "both": ({**FITS, "gateway": "203.0.113.110"}, ".gateway", "203.0.113.110 is the gateway, and in the pool", ""),
    "the usual gateway": (
        {**FITS, "gateway": None, "pool": {"start": "203.0.113.1", "end": "203.0.113.9"}},
        ".pool",
        "203.0.113.1 is the gateway, and in the pool",
        "leave it out of the pool",
    ),
    "a VLAN of nothing": ({"range": "198.18.82.0/24", "vlan": 5}, ".vlan", "`vlan` is of a network at", "`interface`"),
    "nodes of nothing": ({"range": "198.18.82.0/24", "nodes": "198.18.83.0/24"}, ".nodes", "`nodes` is of", ""),
    "no VLAN": ({**FITS, "vlan": 0}, ".vlan", "", ""),
    "no such VLAN": ({**FITS, "vlan": 4095}, ".vlan", "", ""),
    "no interface": ({**FITS, "interface": "eth 1"}, ".interface", "", ""),
    "two interfaces": ({**FITS, "interface": ["eth1", "eth2"]}, ".interface", "", ""),
    "small": ({**FITS, "range": "203.0.113.0/31"}, "", "has no room for a gateway and an address", "at least 4"),
    "no room for nodes": (
        {"range": "198.18.82.0/28", "pool": {"start": "198.18.82.2", "end": "198.18.82.14"}},
        ".pool",
        "it leaves no addresses of 198.18.82.0/28 for nodes",
        "leave 6 addresses out of it",
    ),
    "few for nodes": ({**FITS, "nodes": "198.18.90.0/30"}, ".nodes", "is too small for 3 nodes", "at least 6"),
    "the range of another": ({**FITS, "nodes": "198.18.81.0/28"}, ".nodes", "overlaps tunnel", "share no address"),
    "its own range": ({**FITS, "nodes": "203.0.113.0/28"}, ".nodes", "overlaps public", "share no address"),
    "a list": (["203.0.113.0/24"], "", "is not a network", "192.0.2.0/24"),
    "a number": (203.0, "", "is not a network", ""),
    "IPv6": ("2001:db8::/64", "", "IPv6 networks do not work yet", ""),
    "a mistyped key": ({**FITS, "interfce": "eth1"}, ".interfce", "", "interface"),
    "nothing in it": ({}, ".range", "is missing", ""),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit(tmp_path: Path, what: str) -> None:
    public, key, message, hint = WRONG[what]
    with pytest.raises(InputError) as caught:
        load_site(said(tmp_path, public))
    told = f"{caught.value.message}\n{caught.value.hint}"
    assert f"networks.public{key}: " in told
    assert message in told
    assert hint in told
