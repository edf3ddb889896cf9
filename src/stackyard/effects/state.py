"""Where the tool keeps what it has to remember."""

from __future__ import annotations

import os
from pathlib import Path


def state_directory() -> Path:
    """STACKYARD_STATE, else /var/lib/stackyard."""
    return Path(os.environ.get("STACKYARD_STATE") or "/var/lib/stackyard")
