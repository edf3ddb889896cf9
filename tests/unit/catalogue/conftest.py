"""A small catalogue to test with: `good`, copied, so that a case can be laid over it."""

import shutil
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A copy of the good catalogue and its site, to change."""
    return Path(shutil.copytree(HERE / "good", tmp_path / "good"))
