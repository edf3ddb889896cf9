"""Interfaces of this host, as the kernel tells of them; what is done to them: tests/cloud/test_interface.py."""

from pathlib import Path

import pytest

from stackyard.effects import links
from stackyard.effects.links import Link


def test_the_loopback_is_there() -> None:
    found = links.links()["lo"]
    assert (found.kind, found.master, found.carrier) == ("loopback", "", True)
    assert found.mtu >= 1500


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with a bridge that has an interface and two containers, and with a wireless interface."""
    monkeypatch.setattr(links, "LINKS", tmp_path)
    for name, state in (("br0", "up"), ("eth1", "down"), ("veth0a1b2c3", "up"), ("wlan0", "up"), ("vethpeer", "up")):
        folder = tmp_path / name
        folder.mkdir()
        for file, text in (("mtu", "1500"), ("type", "1"), ("operstate", state)):
            (folder / file).write_text(f"{text}\n")
    (tmp_path / "bonding_masters").write_text("")
    (tmp_path / "br0/bridge").mkdir()
    (tmp_path / "wlan0/phy80211").mkdir()
    for name in ("eth1", "veth0a1b2c3", "vethpeer"):
        (tmp_path / name / "master").symlink_to("../br0")
        (tmp_path / "br0/brif" / name).mkdir(parents=True)
    return tmp_path


def test_those_of_containers_are_left_out(host: Path) -> None:
    assert host
    assert links.links() == {
        "br0": Link("br0", 1500, kind="bridge"),
        "eth1": Link("eth1", 1500, "br0", carrier=False),
        "vethpeer": Link("vethpeer", 1500, "br0"),
        "wlan0": Link("wlan0", 1500, kind="wireless"),
    }


def test_ports_of_a_bridge(host: Path) -> None:
    assert host
    assert links.ports("br0") == ("eth1", "vethpeer")
    assert links.ports("br1") == ()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings of br0 as they are in the beginning, of a host without a firewall."""
    monkeypatch.setattr(links, "SETTINGS", tmp_path)
    monkeypatch.setattr(links.shutil, "which", lambda _name: None)
    for name, value in (("ipv4/conf/br0/arp_ignore", "0"), ("ipv4/conf/br0/forwarding", "1")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{value}\n")
    return tmp_path


def test_a_host_takes_part_until_its_settings_say_otherwise(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has no IPv6 takes no part in that."""
    told: list[list[str]] = []
    monkeypatch.setattr(links, "run", lambda argv, **_options: told.append(argv))
    assert not links.is_shut("br0")
    links.connect("eth1", "br0")
    assert links.is_shut("br0")
    assert (settings / "ipv4/conf/br0/forwarding").read_text() == "0"
    assert told == [
        ["ip", "link", "set", "dev", "eth1", "master", "br0"],
        ["ip", "link", "set", "dev", "eth1", "up"],
    ]
