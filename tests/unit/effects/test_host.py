"""What this machine tells of itself."""

import shutil
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from stackyard.effects import host as module
from stackyard.effects.host import CAPABILITIES, Host
from stackyard.effects.routes import Route


def test_routes_have_networks_and_interfaces() -> None:
    found = Host.local().routes()
    assert Route(IPv4Network("127.0.0.0/8"), "lo") in found
    assert Route(IPv4Network("127.0.0.1/32"), "lo") in found
    assert all(route.network.prefixlen for route in found)


def test_memory_and_room(tmp_path: Path) -> None:
    host = Host.local()
    assert host.memory() > 0
    assert host.room(tmp_path)
    assert host.room(tmp_path / "not") is None


def test_room_where_only_root_may_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def usage(place: Path) -> object:
        if place != tmp_path:
            raise PermissionError
        return real(place)

    real = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", usage)
    assert Host.local().room(tmp_path / "closed" / "docker") == real(tmp_path).free // 1024**2


def test_capabilities_by_their_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(CAPABILITIES) == 41
    assert {name: CAPABILITIES.index(name) for name in ("NET_ADMIN", "SYS_ADMIN", "SYS_RESOURCE", "BPF")} == {
        "NET_ADMIN": 12,
        "SYS_ADMIN": 21,
        "SYS_RESOURCE": 24,
        "BPF": 39,
    }
    monkeypatch.setattr(module, "INIT", tmp_path / "status")
    (tmp_path / "status").write_text("Name:\tinit\nCapBnd:\t000001fffeffffff\nCapAmb:\t0\n")
    assert Host.local().capabilities() == set(CAPABILITIES) - {"SYS_RESOURCE"}
