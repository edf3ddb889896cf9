"""Environments of others: what platforms inject, what belongs to other systems, and what files leave around a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_PLATFORM = re.compile(r".+_SERVICE_(HOST|PORT(_.+)?)|.+_PORT_[0-9]+_(TCP|UDP|SCTP)(_[A-Z_]+)?")
_PORT_URL = re.compile(r"(tcp|udp|sctp)://\S+")
_WORD_BEFORE = re.compile(r"\s*export\s+")
_QUOTES = ("'", '"')

Environments = Mapping[str, Mapping[str, Any]]
"""Other system -> ``names``, its variables, and ``values``: variable of ours -> values that are the other system's."""


def origin(name: str, text: str, environments: Environments) -> str:
    """Where a value is from that does not fit a variable of the contract, in words; empty when nothing is known."""
    if is_injected(name, text):
        which = name.rpartition("_")[0].lower().replace("_", "-")
        where = f"a Kubernetes service or a Docker link named {which}"
        return f"comes from the platform, which has {where}; `enableServiceLinks: false` leaves it out of a pod"
    for system, theirs in environments.items():
        if _among(text, (theirs.get("values") or {}).get(name) or ()):
            return f"is a value of {system}"
    return ""


def is_injected(name: str, text: str) -> bool:
    """Whether a value has the form that only a platform gives: the port of a service as a URL, the name of a link."""
    before, _, last = name.rpartition("_")
    if last == "PORT":
        return bool(_PORT_URL.fullmatch(text))
    alias = text.rpartition("/")[2].upper().replace("-", "_").replace(".", "_")
    return last == "NAME" and text.startswith("/") and text.count("/") > 1 and alias == before


def owner(name: str, environments: Environments, text: str = "") -> str:
    """The system that a variable belongs to; empty when it is nobody's that is known."""
    if _PLATFORM.fullmatch(name) or is_injected(name, text):
        return "the platform"
    return next((system for system, theirs in environments.items() if _among(name, theirs["names"])), "")


def _among(word: str, patterns: tuple[str, ...] | list[str]) -> bool:
    """Whether a word is listed, or begins as one that ends with `*`."""
    return word in patterns or word.startswith(tuple(each[:-1] for each in patterns if each.endswith("*")))


def left_around(text: str, *, blanks: bool = True) -> str:
    """What is around a value that hardly belongs to it, such as `has quotes around it`; empty when nothing is.

    ``blanks`` tells whether those at the ends matter.
    """
    bare, line = text.strip(), text.rstrip("\r\n")
    found = ["quotes around it"] if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in _QUOTES else []
    sides = [side for side, end in (("beginning", line[:1]), ("end", line[-1:])) if blanks and end.isspace()]
    found += [f"blanks at its {' and its '.join(sides)}"] if sides else []
    kept = "; docker run --env-file keeps them" if found else ""
    found += ["a carriage return at its end (a file with Windows line ends)"] if blanks and text.endswith("\r") else []
    return f"has {' and '.join(found)}{kept}" if found else ""


def bare_name(name: str) -> str:
    """A variable's name without what a file of a shell, or an editor, leaves around it."""
    return _WORD_BEFORE.sub("", name.lstrip("\ufeff"), count=1).strip()
