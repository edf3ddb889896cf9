"""The archive that the kernel unpacks, as `cpio` unpacks it."""

import shutil
import stat
import subprocess

import pytest

from stackyard.guest import cpio

ENTRIES = [
    cpio.file("bin/tool", b"\x7fELF" + bytes(1001), 0o755),
    cpio.file("etc/deep/er/name", b"text\n"),
    cpio.file("empty", b""),
    cpio.symlink("bin/sh", "tool"),
    cpio.directory("tmp", 0o1777),
]


@pytest.mark.skipif(not shutil.which("cpio"), reason="needs cpio")
def test_cpio_unpacks_what_was_packed(tmp_path):
    command = ["cpio", "--extract", "--make-directories", "--quiet", "--preserve-modification-time"]
    subprocess.run(command, input=cpio.archive(ENTRIES), cwd=tmp_path, check=True)

    assert (tmp_path / "bin/tool").read_bytes() == b"\x7fELF" + bytes(1001)
    assert stat.S_IMODE((tmp_path / "bin/tool").stat().st_mode) == 0o755
    assert (tmp_path / "bin/tool").stat().st_mtime == 0
    assert (tmp_path / "etc/deep/er/name").read_text() == "text\n"
    assert (tmp_path / "empty").read_bytes() == b""
    assert (tmp_path / "bin/sh").readlink().name == "tool"
    assert stat.S_IMODE((tmp_path / "tmp").stat().st_mode) == 0o1777


@pytest.mark.skipif(not shutil.which("cpio"), reason="needs cpio")
def test_devices_have_their_numbers():
    archive = cpio.archive([cpio.character_device("dev/console", 5, 1)])
    listing = subprocess.run(["cpio", "--list", "--verbose", "--quiet"], input=archive, capture_output=True, check=True)
    assert b"crw-------" in listing.stdout
    assert b"5,   1" in listing.stdout


def test_order_and_time_do_not_matter():
    assert cpio.archive(ENTRIES) == cpio.archive(ENTRIES[::-1])


def test_directories_come_before_what_is_in_them():
    archive = cpio.archive([cpio.file("a/b/c", b"")])
    assert (
        archive.index(b"\0a\0" if b"\0a\0" in archive else b"a\0") < archive.index(b"a/b\0") < archive.index(b"a/b/c\0")
    )


def test_a_path_twice_is_refused():
    with pytest.raises(ValueError, match="bin/sh is there twice"):
        cpio.archive([cpio.symlink("bin/sh", "a"), cpio.symlink("bin/sh", "b")])
