"""The marker lines that a guest prints: ``STACKYARD key=value key=value``."""

from __future__ import annotations

import re

Marker = dict[str, str]

_MARKER = re.compile(r"(?:^|\s)STACKYARD ([a-z][a-z0-9-]*=\S*(?: [a-z][a-z0-9-]*=\S*)*) *$", re.MULTILINE)


def markers(text: str) -> list[Marker]:
    """Return the markers of a console log, oldest first.

    Anything else in it is passed over: firmware, kernel messages, a line that is cut off at the beginning.
    A last line without its end is passed over too, for it may be half of one.
    """
    whole = text[: text.rfind("\n") + 1].replace("\r", "")
    return [dict(pair.split("=", 1) for pair in found[1].split()) for found in _MARKER.finditer(whole)]


def last(found: list[Marker], *keys: str, **values: str) -> Marker | None:
    """Return the newest marker that has the keys and the values."""
    for marker in reversed(found):
        if all(key in marker for key in keys) and values.items() <= marker.items():
            return marker
    return None
