"""What an ELF program says that it needs, read without a tool that may not be there.

Format: System V ABI, "Object Files" and "Program Loading and Dynamic Linking"; 64 bits, little-endian, as Debian's
amd64 and arm64 have it.
"""

from __future__ import annotations

import struct

_PROGRAM, _LOAD, _DYNAMIC, _INTERPRETER = struct.Struct("<IIQQQQQQ"), 1, 2, 3
_END, _NEEDED, _STRINGS = 0, 1, 5
_KIND = b"\x7fELF\x02\x01"


def needed(content: bytes) -> list[str]:
    """Return the path of the program that loads it, if there is one, and the names of the libraries.

    Raises ValueError when it is no such program.
    """
    if not content.startswith(_KIND):
        raise ValueError("this is no ELF program of 64 bits")
    (at,) = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    segments = [_PROGRAM.unpack_from(content, at + number * size) for number in range(count)]
    loads = [(address, offset, length) for kind, _, offset, address, _, length, _, _ in segments if kind == _LOAD]
    found: list[str] = []
    for kind, _, offset, _, _, length, _, _ in segments:
        if kind == _INTERPRETER:
            found.insert(0, _text(content, offset))
        if kind == _DYNAMIC:
            entries = list(struct.iter_unpack("<qQ", content[offset : offset + length - length % 16]))
            entries = entries[: [tag for tag, _ in entries].index(_END)]
            strings = _offset(loads, dict(entries)[_STRINGS])
            found += [_text(content, strings + value) for tag, value in entries if tag == _NEEDED]
    return found


def _offset(loads: list[tuple[int, int, int]], address: int) -> int:
    """Return where in the file is what is loaded to an address."""
    for begin, offset, length in loads:
        if begin <= address < begin + length:
            return address - begin + offset
    raise ValueError(f"nothing is loaded to {address:#x}")


def _text(content: bytes, begin: int) -> str:
    return content[begin : content.index(b"\0", begin)].decode()
