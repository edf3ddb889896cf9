"""What a container wrote: the line that tells why it ended or waits, and the same lines again and again told once."""

from __future__ import annotations

import re
from collections.abc import Sequence

_VARYING = re.compile(r"0x[0-9a-f]+|\d+")
"""What differs from one start to the next: times, process ids, addresses."""
_PREFIX = re.compile(r"\d{4}-\d\d-\d\d[ T][\d:.,]+\S* +(?:\d+ +)?(?:[A-Z]+ +)?\S+ ?(?:\[[^]]*\] ?)?")
"""What a log writes before a message: time, process, level, logger, request."""
_TRACEBACK = "Traceback (most recent call last):"
_GRAVE = re.compile(r"\b(critical|error|fatal|panic|failed)\b", re.IGNORECASE)

_WAITS = re.compile(
    r"stackyard: (?:still )?waiting for (.+?), (?:at most \d+ s|\d+ s of \d+): (?:exit code \d+: )?(.+)"
)
"""What an entrypoint says while it waits (entrypoint/waits.py)."""


def reason(lines: Sequence[str]) -> str:
    """Which of the last lines of a process tells why it ended: the exception, what it calls an error, or the last."""
    said = [_PREFIX.sub("", line, count=1).rstrip() for line in lines]
    begin = max((number for number, text in enumerate(said) if text.lstrip() == _TRACEBACK), default=None)
    if begin is not None:
        margin = len(said[begin]) - len(said[begin].lstrip())
        after = [text for text in said[begin + 1 :] if text[:margin].isspace() or not margin]
        raised = next((text for text in after if text.strip() and not text[margin:][:1].isspace()), "")
        if raised:
            return raised.strip()
    spoken = [text.strip() for text in said if text.strip()]
    return next((text for text in reversed(spoken) if _GRAVE.search(text)), spoken[-1] if spoken else "")


def waits(lines: Sequence[str]) -> str:
    """What a container waits for before its process starts, and why, when that is its last word; else nothing."""
    said = _WAITS.fullmatch(lines[-1].strip()) if lines else None
    return f"waits for {said[1]}: {said[2]}" if said else ""


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
