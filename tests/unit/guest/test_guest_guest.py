"""The guest, as far as it goes without fetching anything."""

import gzip
import hashlib
import lzma
import struct
from pathlib import Path

import pytest

from stackyard.errors import InputError, StackyardError
from stackyard.guest import elf, guest


def module(name: str, needs: str = "", *aliases: str) -> bytes:
    said = [f"alias={alias}" for alias in aliases] + ["license=GPL", f"depends={needs}", f"name={name}"]
    return b"\x7fELF\0" + "".join(f"{each}\0" for each in said).encode()


def program(*needs: str, loader: str = "") -> bytes:
    """A program that needs these libraries, as far as the loader looks at it."""
    texts = b"\0" + b"".join(each.encode() + b"\0" for each in (*needs, loader))
    where = {each: texts.index(b"\0" + each.encode() + b"\0") + 1 for each in (*needs, loader)}
    headers, base = 64 + 3 * 56, 0x400000
    dynamic = b"".join(struct.pack("<qQ", 1, where[each]) for each in needs)
    dynamic += struct.pack("<qQqQ", 5, base + headers, 0, 0)
    begin = headers + len(texts)
    segments = [(1, 0, base, begin + len(dynamic)), (2, begin, base + begin, len(dynamic))]
    segments += [(3, headers + where[loader], base, len(loader) + 1)] if loader else []
    table = b"".join(struct.pack("<IIQQQQQQ", kind, 4, at, to, to, size, size, 1) for kind, at, to, size in segments)
    head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 3, 62, 1, 0, 64, 0, 0, 64, 56, len(segments), 0, 0, 0)
    return (head + table).ljust(headers, b"\0") + texts + dynamic


def packages(folder: Path) -> None:
    """What matters of the packages, unpacked."""
    modules = folder / "usr/lib/modules/6.12/kernel"
    modules.mkdir(parents=True)
    (modules.parent / "modules.order").touch()
    (modules / "virtio_net.ko.xz").write_bytes(
        lzma.compress(module("virtio_net", "net_failover", "virtio:d00000001v*"))
    )
    (modules / "net_failover.ko.xz").write_bytes(lzma.compress(module("net_failover", "failover")))
    (modules / "failover.ko").write_bytes(module("failover"))
    (modules / "other.ko").write_bytes(module("other"))
    files = {
        "boot/vmlinuz-6.12": b"kernel",
        "usr/bin/busybox": b"busybox",
        "usr/bin/dbclient": program("libc.so.6", loader="/lib/ld-linux-aarch64.so.1"),
        "usr/bin/dropbearkey": program("libc.so.6", loader="/lib/ld-linux-aarch64.so.1"),
        "usr/sbin/dropbear": program("libtom.so.1", "libc.so.6", loader="/lib/ld-linux-aarch64.so.1"),
        "usr/lib/aarch64-linux-gnu/libtom.so.1": program("libmath.so.1", "libc.so.6"),
        "usr/lib/aarch64-linux-gnu/libmath.so.1": program("libc.so.6"),
        "usr/lib/aarch64-linux-gnu/libc.so.6": program("ld-linux-aarch64.so.1"),
        "usr/lib/aarch64-linux-gnu/libother.so.1": program(),
        "usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1": program(),
        "usr/lib/systemd/boot/efi/systemd-bootaa64.efi": b"MZ",
    }
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    packages(tmp_path)
    return tmp_path


def test_modules_come_after_what_they_need(unpacked):
    modules = {path.name.partition(".ko")[0]: path for path in unpacked.glob("**/*.ko*")}
    assert guest.load_order(("virtio_net",), modules) == ["failover", "net_failover", "virtio_net"]
    assert guest.load_order(("virtio_net", "failover"), modules) == ["failover", "net_failover", "virtio_net"]


def test_a_module_that_is_built_in_is_left_out(unpacked):
    assert guest.load_order(("evdev",), {}) == []
    assert b"evdev.ko" not in gzip.decompress(guest.initramfs(unpacked))


def test_the_initramfs_is_the_same_each_time_and_has_what_it_needs(unpacked):
    packed = guest.initramfs(unpacked)
    assert packed == guest.initramfs(unpacked)
    archive = gzip.decompress(packed)
    modules = "lib/modules/6.12"
    for path in ("init", "bin/busybox", "bin/lease", "etc/acpi/PWRF/00000080", f"{modules}/failover.ko", "dev/console"):
        assert path.encode() + b"\0" in archive
    assert b"other.ko" not in archive
    assert b"\nvirtio_net.ko: net_failover.ko failover.ko\n" in archive
    assert b"alias virtio:d00000001v* virtio_net\n" in archive


def test_programs_come_with_what_they_are_linked_with(unpacked):
    archive = gzip.decompress(guest.initramfs(unpacked))
    for path in ("bin/dropbear", "lib/libtom.so.1", "lib/libmath.so.1", "lib/libc.so.6", "lib/ld-linux-aarch64.so.1"):
        assert path.encode() + b"\0" in archive
    assert b"libother" not in archive


def test_a_library_that_no_package_has_is_named(unpacked):
    (unpacked / "usr/lib/aarch64-linux-gnu/libmath.so.1").unlink()
    with pytest.raises(StackyardError, match=r"0 files .*libmath\.so\.1"):
        guest.initramfs(unpacked)


def test_what_a_program_needs_is_read():
    assert elf.needed(program("a.so", "b.so", loader="/lib/ld")) == ["/lib/ld", "a.so", "b.so"]
    with pytest.raises(ValueError, match="no ELF program"):
        elf.needed(b"#!/bin/sh")


def test_without_busybox_it_says_so(unpacked):
    (unpacked / "usr/bin/busybox").unlink()
    with pytest.raises(StackyardError, match="0 files"):
        guest.initramfs(unpacked)


def test_identity_tells_suites_and_architectures_apart():
    known = {guest.identity(suite, machine) for suite in ("trixie", "forky") for machine in ("amd64", "arm64")}
    assert len(known) == 4
    assert guest.identity("trixie", "amd64") in known


def test_what_is_there_is_not_built_again(tmp_path, monkeypatch):
    monkeypatch.setattr(guest, "_architecture", lambda: "arm64")  # whose disk needs no program to be made
    monkeypatch.setattr(guest, "_fetch", _packages)
    events = []
    first = guest.ensure(tmp_path, "trixie", events.append)
    again = guest.ensure(tmp_path, "trixie", events.append)

    assert first == again
    assert [event.kind for event in events] == ["started", "done"]
    assert first.packages == {"busybox-static": "1.37"}
    assert first.kernel.read_bytes() == b"kernel"
    assert first.disk.stat().st_size == 1 << 20
    assert first.image.stat().st_size == first.sizes["image"]
    assert hashlib.sha256(first.image.read_bytes()).hexdigest() == first.sha256["image"]
    assert first.command_line.encode() in first.image.read_bytes()
    assert sorted(path.name for path in (tmp_path / "guest").iterdir()) == [".lock", first.identity]


def test_what_a_killed_build_left_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(guest, "_architecture", lambda: "arm64")  # whose disk needs no program to be made
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
    packages(unpacked)
    return {"busybox-static": "1.37"}
