"""A site as commands open it."""

from __future__ import annotations

from stackyard.catalogue import Catalogue, open_site, site_path
from stackyard.catalogue.problems import Problems, shown
from stackyard.catalogue.yamlsource import locate, read
from stackyard.model.site import Site
from stackyard.plan.problems import Path, Where


def opened(reference: str) -> tuple[Site, Catalogue, Where]:
    """Site, catalogue, and what tells the line of a path in the site file. Raises InputError."""
    site, catalogue = open_site(reference)
    return site, catalogue, _where(reference)


def _where(reference: str) -> Where:
    file = site_path(reference)

    def where(path: Path) -> str:
        if not path:
            return ""
        data = read(file, Problems())
        line = f":{locate(data, path)[0].line}" if data else ""
        return f"{shown(file)}{line}: "

    return where
