"""The name of a site, for commands that need nothing else of its file."""

from __future__ import annotations

import re
from pathlib import Path

from stackyard.catalogue import load_site, site_path
from stackyard.deploy.observe import containers
from stackyard.deploy.state import SiteState
from stackyard.effects.host import Host
from stackyard.errors import InputError

_KEY = re.compile(r"""^site: *["']?([a-z][a-z0-9-]{0,20})["']?\s*(?:#.*)?$""", re.MULTILINE)


def named(host: Host, reference: str) -> str:
    """Name of the site that is given by NAME or FILE.

    When its file cannot be used, the name is enough as long as the host knows such a site. Raises InputError.
    """
    try:
        return load_site(site_path(reference)).site
    except InputError:
        name = _guessed(reference)
        if not name or not (SiteState.of(host, name).folder.exists() or containers(host.engine, name)):
            raise
        return name


def _guessed(reference: str) -> str:
    """What the file says in its line `site:`, however wrong the rest; without a file, the reference itself."""
    try:
        found = _KEY.search(site_path(reference).read_text(errors="replace"))
        return found[1] if found else ""
    except (InputError, OSError):
        return reference if Path(reference).name == reference else ""
