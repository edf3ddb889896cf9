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


@pytest.mark.parametrize(
    ("own", "of_systemd", "seen"),
    [
        ("# by hand\nsearch example.org\nnameserver 192.0.2.53\nnameserver 192.0.2.53\nnameserver 192.0.2.54", None, 2),
        ("nameserver 127.0.0.53\noptions edns0", "nameserver 192.0.2.53\nnameserver 192.0.2.54", 2),
        ("nameserver 127.0.0.53", None, 0),
        ("nameserver 192.0.2.53\nnameserver", "nameserver 192.0.2.54", 1),
        ("nameserver fe80::1%eth0\nnameserver ::1\nnameserver 0.0.0.0\nnameserver name\nnameserver 127.8.8.8", "", 0),
        (None, None, 0),
    ],
)
def test_resolvers_are_those_that_others_may_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str | None, of_systemd: str | None, seen: int
) -> None:
    files = (tmp_path / "own", tmp_path / "of-systemd")
    monkeypatch.setattr(module, "RESOLVERS", files)
    for file, text in zip(files, (own, of_systemd), strict=True):
        if text is not None:
            file.write_text(text)
    assert Host.local().resolvers() == ("192.0.2.53", "192.0.2.54")[:seen]


def test_an_address_of_this_machine_is_no_resolver_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host.local()
    file = tmp_path / "resolv.conf"
    file.write_text(f"nameserver {host.address()}\n")
    monkeypatch.setattr(module, "RESOLVERS", (file,))
    assert host.resolvers() == ()
