"""The stand-ins' package, as their images have it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "opensdn"))
