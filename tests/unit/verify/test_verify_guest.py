"""The guest, as far as it goes without fetching anything."""

import gzip
import lzma
from pathlib import Path

import pytest

from stackyard.errors import InputError, StackyardError
from stackyard.verify import guest


def module(name: str, needs: str = "") -> bytes:
    return b"\x7fELF\0license=GPL\0depends=" + needs.encode() + b"\0name=" + name.encode() + b"\0"


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """What matters of the two packages, unpacked."""
    modules = tmp_path / "usr/lib/modules/6.12/kernel"
    modules.mkdir(parents=True)
    (modules / "virtio_net.ko.xz").write_bytes(lzma.compress(module("virtio_net", "net_failover")))
    (modules / "net_failover.ko.xz").write_bytes(lzma.compress(module("net_failover", "failover")))
    (modules / "failover.ko").write_bytes(module("failover"))
    (modules / "other.ko").write_bytes(module("other"))
    (tmp_path / "usr/bin").mkdir()
    (tmp_path / "usr/bin/busybox").write_bytes(b"busybox")
    return tmp_path


def test_modules_come_after_what_they_need(unpacked):
    modules = {path.name.partition(".ko")[0]: path for path in unpacked.glob("**/*.ko*")}
    assert guest.load_order(("virtio_net",), modules) == ["failover", "net_failover", "virtio_net"]
    assert guest.load_order(("virtio_net", "failover"), modules) == ["failover", "net_failover", "virtio_net"]


def test_a_module_that_is_built_in_is_left_out(unpacked):
    assert guest.load_order(("evdev",), {}) == []
    assert (
        b"evdev" not in gzip.decompress(guest.initramfs(unpacked)).partition(b"TRAILER")[0].partition(b"modules\0")[2]
    )


def test_the_initramfs_is_the_same_each_time_and_has_what_it_needs(unpacked):
    packed = guest.initramfs(unpacked)
    assert packed == guest.initramfs(unpacked)
    archive = gzip.decompress(packed)
    for path in ("init", "bin/busybox", "bin/lease", "etc/acpi/PWRF/00000080", "lib/failover.ko", "dev/console"):
        assert path.encode() + b"\0" in archive
    assert b"lib/other.ko" not in archive
    assert b"/lib/failover.ko\n/lib/net_failover.ko\n/lib/virtio_net.ko\n" in archive


def test_without_busybox_it_says_so(unpacked):
    (unpacked / "usr/bin/busybox").unlink()
    with pytest.raises(StackyardError, match="0 files"):
        guest.initramfs(unpacked)


def test_identity_tells_suites_and_architectures_apart():
    known = {guest.identity(suite, machine) for suite in ("trixie", "forky") for machine in ("amd64", "arm64")}
    assert len(known) == 4
    assert guest.identity("trixie", "amd64") in known


def test_what_is_there_is_not_built_again(tmp_path, monkeypatch):
    monkeypatch.setattr(guest, "_architecture", lambda: "amd64")
    monkeypatch.setattr(guest, "_fetch", _packages)
    events = []
    first = guest.ensure(tmp_path, "trixie", events.append)
    again = guest.ensure(tmp_path, "trixie", events.append)

    assert first == again
    assert [event.kind for event in events] == ["started", "done"]
    assert first.packages == {"busybox-static": "1.37"}
    assert first.kernel.read_bytes() == b"kernel"
    assert first.disk.stat().st_size == 1 << 20
    assert sorted(path.name for path in (tmp_path / "guest").iterdir()) == [".lock", first.identity]


def test_what_a_killed_build_left_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(guest, "_architecture", lambda: "amd64")
    monkeypatch.setattr(guest, "_fetch", _packages)
    rest = tmp_path / "guest" / ".new-rest"
    rest.mkdir(parents=True)
    guest.ensure(tmp_path, "trixie")
    assert not rest.exists()


def test_without_mmdebstrap_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(guest, "_architecture", lambda: "amd64")
    monkeypatch.setattr(guest.shutil, "which", lambda _name: None)
    with pytest.raises(InputError, match="mmdebstrap is not installed"):
        guest.ensure(tmp_path, "trixie")


def test_the_command_names_no_host():
    command = guest.download_command("trixie", "amd64", Path("/state/x y"))
    assert command[-2:] == ["trixie", "-"]
    assert "--customize-hook=copy-out /debs '/state/x y'" in command
    assert not any("://" in word for word in command)


def _packages(_suite: str, _architecture: str, unpacked: Path) -> dict[str, str]:
    (unpacked / "boot").mkdir(parents=True)
    (unpacked / "boot/vmlinuz-6.12").write_bytes(b"kernel")
    (unpacked / "usr/bin").mkdir(parents=True)
    (unpacked / "usr/bin/busybox").write_bytes(b"busybox")
    return {"busybox-static": "1.37"}
