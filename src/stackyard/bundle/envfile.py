"""``common.env``: variables that compose and ``docker run --env-file`` read alike.

Docker takes a line as it is; compose strips it, removes quotes and comments and substitutes variables. So only values
in which none of that happens stand here, and the others in the compose file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from stackyard.plan.resolved import ResolvedContainer

_PLAIN = re.compile(r"[A-Za-z0-9_./:@,+=%^~-]*")
HEADER = "# Written by stackyard for the containers of this directory; `stackyard up` writes it again.\n"


def common(containers: Iterable[ResolvedContainer]) -> dict[str, str]:
    """The variables for which all containers that know them have the same value, and one that both readers read."""
    containers = list(containers)
    names = sorted({name for container in containers for name in container.values})
    values = {name: {each.values.get(name) for each in containers if name in each.knows} for name in names}
    same = {name: value for name, found in values.items() if len(found) == 1 and (value := found.pop()) is not None}
    return {name: value for name, value in same.items() if _PLAIN.fullmatch(value)}


def env_file(values: Mapping[str, str]) -> bytes:
    """The file."""
    return (HEADER + "".join(f"{name}={value}\n" for name, value in sorted(values.items()))).encode()
