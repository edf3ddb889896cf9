"""Digests of images, as they were pushed or used last: what is pulled again is the very same."""

from __future__ import annotations

import json
from collections.abc import Mapping

from stackyard.effects.files import write_atomically
from stackyard.effects.host import Host
from stackyard.effects.lock import locked, patient
from stackyard.events import silent

UNPROVEN = "?"
"""Stands before the digest, if any, of an image that is being pulled: what the engine has by its name may be wrong."""


def read(host: Host) -> dict[str, str]:
    """Reference of an image -> its digest."""
    try:
        found: dict[str, str] = json.loads((host.state / "digests.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return found


def unproven(host: Host) -> set[str]:
    """References of images whose pull was interrupted."""
    return {name for name, digest in read(host).items() if digest.startswith(UNPROVEN)}


def update(host: Host, changes: Mapping[str, str]) -> None:
    """Record digests by reference; an empty one is forgotten."""
    with locked(host.state / "digests.lock", "digests", patient(silent, "digests")):
        before = read(host)
        after = {name: digest for name, digest in {**before, **changes}.items() if digest}
        if after != before:
            text = json.dumps(after, indent=1, sort_keys=True) + "\n"
            write_atomically(host.state / "digests.json", text.encode(), mode=0o644)
