"""After a reboot of the machine: a unit of systemd that runs `up`, where systemd is.

The engine starts containers by itself, in any order: some before the node that they join, and without the node's
cgroup. `up` knows what is missing, and starts what should run.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from stackyard.catalogue.sites import site_path
from stackyard.effects.host import Host

SECONDS = 1800
"""How long a start may take."""


def name(site: str) -> str:
    """Name of the unit of a site."""
    return f"stackyard-{site}.service"


def unit(site: str, reference: str, state: str | None) -> str:
    """The unit: runs `up` once after the engine, with the site's file and the place of state that it has now."""
    program = Path(sys.executable).with_name("stackyard")
    file = site_path(reference)
    given = reference if file.stem == reference else str(file.absolute())
    return "\n".join(
        [
            f"# Written by `stackyard up`; removed by `stackyard down`. Brings the site {site} back after a reboot.",
            "[Unit]",
            f"Description=Stackyard site {site}",
            "Wants=network-online.target docker.service",
            "After=network-online.target docker.service",
            "",
            "[Service]",
            "Type=oneshot",
            f"TimeoutStartSec={SECONDS}",
            *([f"Environment={_quoted(f'STACKYARD_STATE={state}')}"] if state else []),
            "ExecStart=" + " ".join(map(_argument, [str(program), "up", "--site", given])),
            "",
            "[Install]",
            "WantedBy=multi-user.target",
            "",
        ]
    )


def _argument(text: str) -> str:
    """A word of a command as systemd reads it, which replaces variables."""
    return _quoted(text.replace("$", "$$"))


def _quoted(text: str) -> str:
    """A word as systemd reads it, for which `%` begins something of its own."""
    text = text.replace("%", "%%")
    return text if text == shlex.quote(text) else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def enable(host: Host, site: str, reference: str) -> bool:
    """Have the host bring the site back at boot; False when it does already, or has no systemd."""
    return host.write_unit(name(site), unit(site, reference, os.environ.get("STACKYARD_STATE")))


def disable(host: Host, site: str) -> None:
    """Have the host forget the site at boot."""
    host.remove_unit(name(site))
