"""``common.env``: variables as compose and docker read them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from stackyard.plan.resolved import ResolvedContainer

_PLAIN = re.compile(r"[A-Za-z0-9_./:@,+=%^~-]*")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "$": "\\$", "\n": "\\n", "\r": "\\r"})
HEADER = "# Written by stackyard for the containers of this directory; `stackyard up` writes it again.\n"


def common(containers: Iterable[ResolvedContainer]) -> dict[str, str]:
    """The variables for which all containers that know them have the same value."""
    containers = list(containers)
    names = sorted({name for container in containers for name in container.values})
    values = {name: {each.values.get(name) for each in containers if name in each.knows} for name in names}
    return {name: value for name, found in values.items() if len(found) == 1 and (value := found.pop()) is not None}


def env_file(values: Mapping[str, str]) -> bytes:
    """The file; a value that needs it is quoted."""
    return (HEADER + "".join(f"{name}={_quoted(value)}\n" for name, value in sorted(values.items()))).encode()


def _quoted(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    if "'" not in value and "\n" not in value and "\\" not in value:
        return f"'{value}'"
    return f'"{value.translate(_ESCAPES)}"'
