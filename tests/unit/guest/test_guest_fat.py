"""The disk that a guest boots from, as programs that know FAT read it."""

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from stackyard.guest import fat

FILES = {
    "kernel": bytes(range(256)) * 500,
    "EFI/BOOT/BOOTX64.EFI": b"MZ" * 40000,
    "loader/entries/guest.conf": b"options quiet\n",
    "loader/a name of thirteen and more.letters": b"",
}


def read(system: bytes) -> dict[str, bytes]:
    """The files, by their long names, read by the format's rules."""
    cluster = system[13] * 512
    reserved, fats, entries, table = (*struct.unpack_from("<HBH", system, 14), struct.unpack_from("<H", system, 22)[0])
    root = (reserved + fats * table) * 512
    data = root + entries * 32
    first = system[reserved * 512 : (reserved + table) * 512]
    assert first == system[(reserved + table) * 512 : root]

    def chain(number: int) -> bytes:
        content = b""
        while number and number < 0xFF8:
            assert number >= 2
            content += system[data + (number - 2) * cluster : data + (number - 1) * cluster]
            pair = int.from_bytes(first[number * 3 // 2 : number * 3 // 2 + 2], "little")
            number = pair >> 4 if number % 2 else pair & 0xFFF
        return content

    def folder(content: bytes, above: str) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        long = ""
        for at in range(0, len(content), 32):
            entry = content[at : at + 32]
            if entry[0] == 0:
                break
            if entry[11] == 0x0F:
                part = (entry[1:11] + entry[14:26] + entry[28:]).decode("utf-16-le")
                long = part.partition("\0")[0].rstrip("\uffff") + long
                continue
            stem, extension = entry[:8].decode().rstrip(), entry[8:11].decode().rstrip()
            name, long = long or (f"{stem}.{extension}" if extension else stem), ""
            number, length = struct.unpack_from("<HI", entry, 26)
            if entry[11] & 0x10 and name not in {".", ".."}:
                found |= folder(chain(number), f"{above}{name}/")
            elif entry[11] & 0x20:
                found[above + name] = chain(number)[:length]
        return found

    return folder(system[root:data], "")


def test_what_was_written_is_read():
    assert read(fat.file_system(FILES, "THINGS")) == FILES


NAMES = some.text("abcXYZ019-._", min_size=1, max_size=30).filter(lambda name: name.strip(".") == name and name)


@settings(max_examples=50, deadline=None)
@given(some.dictionaries(NAMES.map("a/{}".format), some.binary(max_size=70000), max_size=5))
def test_any_names_and_contents_are_read(files):
    folded = {path.lower(): path for path in files}
    files = {path: files[path] for path in folded.values()}  # names that differ in case only are one
    assert read(fat.file_system(files, "THINGS")) == files


def test_the_same_files_give_the_same_disk_in_whatever_order():
    assert fat.disk(b"", FILES, "X") == fat.disk(b"", dict(reversed(FILES.items())), "X")


def test_the_partition_is_where_the_table_says_and_the_boot_loader_stays():
    boot = b"B" * 440 + bytes(72) + b"C" * 5000
    disk = fat.disk(boot, FILES, "X")
    assert disk[:440] == b"B" * 440
    assert disk[512:5512] == b"C" * 5000
    assert disk[510:512] == b"\x55\xaa"
    start, sectors = struct.unpack_from("<II", disk, 446 + 8)
    assert len(disk) == (start + sectors) * 512
    assert read(disk[start * 512 :]) == FILES


@pytest.mark.parametrize("boot", [bytes(450) + b"x", bytes((fat.START + 1) * 512)])
def test_a_boot_loader_that_does_not_fit_is_refused(boot):
    with pytest.raises(ValueError, match="does not fit"):
        fat.disk(boot, {}, "X")


def test_too_much_is_refused():
    with pytest.raises(fat.FullError, match="clusters"):
        fat.file_system({"a": bytes(130 << 20)}, "X")
    with pytest.raises(fat.FullError, match="names"):
        fat.file_system({f"folder/long name {number}": b"" for number in range(1000)}, "X")


@pytest.mark.skipif(not shutil.which("fsck.fat"), reason="needs fsck.fat")
def test_fsck_finds_nothing_wrong(tmp_path: Path):
    (tmp_path / "fat").write_bytes(fat.file_system(FILES, "THINGS"))
    done = subprocess.run(["fsck.fat", "-n", str(tmp_path / "fat")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
