"""``common.env``: variables as compose and docker read them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from stackyard.plan.resolved import ResolvedContainer

_PLAIN = re.compile(r"[A-Za-z0-9_./:@,+=%^~-]*")
"""Values that mean the same to compose and to `docker run --env-file`, which knows no quotes."""
HEADER = "# Written by stackyard for the containers of this directory; `stackyard up` writes it again.\n"


def common(containers: Iterable[ResolvedContainer]) -> dict[str, str]:
    """The variables for which all containers that know them have the same value, one that needs no quotes."""
    containers = list(containers)
    names = sorted({name for container in containers for name in container.values})
    values = {name: {each.values.get(name) for each in containers if name in each.knows} for name in names}
    shared = {name: value for name, found in values.items() if len(found) == 1 and (value := found.pop()) is not None}
    return {name: value for name, value in shared.items() if _PLAIN.fullmatch(value)}


def env_file(values: Mapping[str, str]) -> bytes:
    """The file, of values that need no quotes."""
    return (HEADER + "".join(f"{name}={value}\n" for name, value in sorted(values.items()))).encode()
