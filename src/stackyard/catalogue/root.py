"""Where the catalogue is."""

from __future__ import annotations

import os
from pathlib import Path

from stackyard.errors import InputError


def catalogue_root() -> Path:
    """STACKYARD_CATALOGUE, else the checkout's folder ``catalogue``, else the one that is packaged.

    Raises InputError when STACKYARD_CATALOGUE is no catalogue.
    """
    given = os.environ.get("STACKYARD_CATALOGUE")
    if given:
        if not (Path(given) / "releases").is_dir():
            raise InputError(
                f"STACKYARD_CATALOGUE is {given}: no catalogue is there",
                "name a folder that has `releases`, or unset it",
            )
        return Path(given)
    package = Path(__file__).resolve().parents[1]
    checkout = package.parents[1] / "catalogue"
    return checkout if (checkout / "releases").is_dir() else package / "_catalogue"
