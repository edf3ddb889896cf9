"""What a crash-looping container wrote: the same lines again and again, told once."""

from __future__ import annotations

import re
from collections.abc import Sequence

_VARYING = re.compile(r"0x[0-9a-f]+|\d+")
"""What differs from one start to the next: times, process ids, addresses."""


def collapsed(lines: Sequence[str], most: int) -> list[str]:
    """The last ``most`` lines, those that come several times in a row once, with how often they came.

    What follows the last whole block is the begin of one more, and is left out.
    """
    begin, length = _repeated([_VARYING.sub("#", line) for line in lines])
    if not length:
        return list(lines[-most:])
    count = (len(lines) - begin) // length
    end = begin + count * length
    told = "this line" if length == 1 else f"these {length} lines"
    once = [*lines[:begin], *lines[end - length : end]]
    return [*once[-most:], f"({told} {count} times)"]


def _repeated(lines: Sequence[str]) -> tuple[int, int]:
    """Where the repetition that reaches to the end begins, and the length of its block, 0 when there is none.

    Of several, the one that begins first, since a block may have repetitions inside; then the shortest.
    """
    found = (len(lines), 0)
    for length in range(1, len(lines) // 2 + 1):
        begin = len(lines) - length
        while begin and lines[begin - 1] == lines[begin - 1 + length]:
            begin -= 1
        if len(lines) - begin >= 2 * length and begin < found[0]:
            found = (begin, length)
    return found
