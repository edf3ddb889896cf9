"""A disk with one partition, which holds a FAT file system: what firmware of every kind can read.

The same files give the same bytes: times, serial numbers and the order of everything are fixed. Formats: Microsoft's
"FAT: General Overview of On-Disk Format", and the partition table of the BIOS.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

SECTOR = 512
START = 2048
"""The sector with which the partition begins; a boot loader has what is before it, but the table."""

_TABLE = 446
_SIGNATURE = b"\x55\xaa"
_PER_CLUSTER = 64
"""Loaders read a cluster at a time: under emulation small ones cost seconds."""

_CLUSTER = SECTOR * _PER_CLUSTER
_ROOT_ENTRIES = 512
_ENTRY = 32
_MOST = 4084
"""Clusters of a FAT with 12 bits: one with more of them is read as one with 16 bits."""

_FOLDER, _FILE, _LABEL, _LONG = 0x10, 0x20, 0x08, 0x0F
_DAY_ONE = 0x21
_PART = 13
_NAME, _EXTENSION = 8, 3


class FullError(ValueError):
    """The files do not fit into what such a file system can hold."""


@dataclass
class _Folder:
    files: dict[str, bytes] = field(default_factory=dict)
    folders: dict[str, _Folder] = field(default_factory=dict)


def disk(boot: bytes, files: Mapping[str, bytes], label: str) -> bytes:
    """Return a disk that begins with ``boot`` and has the files, by path, in its partition.

    Raises ValueError when ``boot`` is too long or would be overwritten by the table, FullError when the files are too
    much.
    """
    if len(boot) > START * SECTOR or any(boot[_TABLE : SECTOR - 2]):
        raise ValueError("what is to be before the partition does not fit there")
    system = file_system(files, label)
    head = bytearray(boot.ljust(START * SECTOR, b"\0"))
    everywhere = b"\xfe\xff\xff"  # cylinder, head and sector: see the number instead
    kind = b"\xef"  # a system partition of UEFI
    entry = b"\x80" + everywhere + kind + everywhere + struct.pack("<II", START, len(system) // SECTOR)
    head[_TABLE : _TABLE + len(entry)] = entry
    head[SECTOR - 2 : SECTOR] = _SIGNATURE
    return bytes(head) + system


def file_system(files: Mapping[str, bytes], label: str) -> bytes:
    """Return the file system alone. Raises FullError."""
    root = _tree(files)
    clusters = _Clusters()
    entries = _label(label) + _entries(root, clusters, above=None)
    if len(entries) > _ROOT_ENTRIES * _ENTRY:
        raise FullError("there are too many names at the top")
    count = len(clusters.next)
    if count > _MOST:
        raise FullError(f"the files need {count} clusters, and there can be {_MOST}")
    fat = _packed([0xFF8, 0xFFF, *clusters.next])
    table = len(fat) // SECTOR
    sectors = 1 + 2 * table + _ROOT_ENTRIES * _ENTRY // SECTOR + count * _PER_CLUSTER
    system = _boot_sector(sectors, table, label) + fat * 2 + entries.ljust(_ROOT_ENTRIES * _ENTRY, b"\0")
    return system + b"".join(clusters.content)


def _packed(numbers: list[int]) -> bytes:
    """Return the table: numbers of 12 bits, two in three bytes."""
    numbers = numbers + [0] * (len(numbers) % 2)
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    packed = b"".join((low | high << 12).to_bytes(3, "little") for low, high in pairs)
    return packed.ljust(-(-len(packed) // SECTOR) * SECTOR, b"\0")


def _boot_sector(sectors: int, table: int, label: str) -> bytes:
    small = sectors if sectors < 1 << 16 else 0
    geometry = (63, 255, START, 0 if small else sectors)
    sizes = (SECTOR, _PER_CLUSTER, 1, 2, _ROOT_ENTRIES, small, 0xF8, table, *geometry)
    head = b"\xeb\x3c\x90MSWIN4.1" + struct.pack("<HBHBHHBHHHII", *sizes)
    head += struct.pack("<BBBI", 0x80, 0, 0x29, 0x53544B59) + _padded(label, 11) + b"FAT12   "
    return head.ljust(SECTOR - 2, b"\0") + _SIGNATURE


def _tree(files: Mapping[str, bytes]) -> _Folder:
    root = _Folder()
    for path, content in sorted(files.items()):
        *above, name = path.split("/")
        folder = root
        for part in above:
            folder = folder.folders.setdefault(part, _Folder())
        folder.files[name] = content
    return root


class _Clusters:
    """The clusters given so far: what is in each, and which one comes after it."""

    def __init__(self) -> None:
        self.content: list[bytes] = []
        self.next: list[int] = []

    def take(self, length: int) -> int:
        """Return the first of as many clusters as ``length`` bytes need; zero when there are none."""
        count = -(-length // _CLUSTER)
        first = len(self.next) + 2
        self.next += [first + number for number in range(1, count)] + [0xFFF] * bool(count)
        self.content += [b""] * count
        return first if count else 0

    def fill(self, first: int, content: bytes) -> None:
        """Put the content into the clusters that were taken for it."""
        for number, begin in enumerate(range(0, len(content), _CLUSTER), start=first - 2):
            self.content[number] = content[begin : begin + _CLUSTER].ljust(_CLUSTER, b"\0")


def _entries(folder: _Folder, clusters: _Clusters, above: int | None, own: int = 0) -> bytes:
    """Return the entries of a folder, and put what is in it into clusters; ``above`` is None for the root."""
    entries = b""
    if above is not None:
        entries += _record(b".          ", _FOLDER, own, 0) + _record(b"..         ", _FOLDER, above, 0)
    inside: dict[str, bytes | _Folder] = {**folder.files, **folder.folders}
    for number, (name, content) in enumerate(sorted(inside.items()), start=1):
        short = _short(name, number)
        if isinstance(content, bytes):
            first = clusters.take(len(content))
            clusters.fill(first, content)
            entries += _named(name, short, _record(short, _FILE, first, len(content)))
        else:
            first = clusters.take(_CLUSTER)
            below = _entries(content, clusters, own, first)
            if len(below) > _CLUSTER:
                raise FullError(f"there are too many names in {name}")
            clusters.fill(first, below.ljust(_CLUSTER, b"\0"))
            entries += _named(name, short, _record(short, _FOLDER, first, 0))
    return entries


def _record(short: bytes, kind: int, first: int, length: int) -> bytes:
    return short + struct.pack("<BBBHHHHHHHI", kind, 0, 0, 0, _DAY_ONE, _DAY_ONE, 0, 0, _DAY_ONE, first, length)


def _label(label: str) -> bytes:
    return _padded(label, 11) + struct.pack("<B10xHHHI", _LABEL, 0, _DAY_ONE, 0, 0)


def _padded(text: str, length: int) -> bytes:
    return text.upper().encode("ascii").ljust(length)[:length]


def _short(name: str, number: int) -> bytes:
    """Return the short name: the name itself when it is one, else its begin and a number that no other one has."""
    stem, _, extension = name.partition(".")
    if name == name.upper() and 0 < len(stem) <= _NAME and len(extension) <= _EXTENSION:
        return _padded(stem, _NAME) + _padded(extension, _EXTENSION)
    tail = f"~{number}"
    return _padded(stem[: _NAME - len(tail)] + tail, _NAME) + _padded(extension, _EXTENSION)


def _named(name: str, short: bytes, record: bytes) -> bytes:
    """Return the record, with those of the long name before it where the short name is another one."""
    if "~" not in short.decode():
        return record
    total = 0
    for byte in short:
        total = ((total >> 1) | (total << 7)) + byte & 0xFF
    units = name.encode("utf-16-le") + b"\0\0"
    units = units.ljust(-(-len(units) // (2 * _PART)) * 2 * _PART, b"\xff") if len(name) % _PART else units[:-2]
    parts = [units[begin : begin + 2 * _PART] for begin in range(0, len(units), 2 * _PART)]
    found = b""
    for number, part in reversed(list(enumerate(parts, start=1))):
        order = number | (0x40 if number == len(parts) else 0)
        found += struct.pack("<B10sBBB12sH4s", order, part[:10], _LONG, 0, total, part[10:22], 0, part[22:])
    return found + record
