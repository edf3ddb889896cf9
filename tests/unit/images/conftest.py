"""A small catalogue: a family with Python and Debian packages, a database that is baked, a bare image."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from stackyard.catalogue import Catalogue, catalogue_root, load, releases, sdns
from stackyard.images.foundations import Foundation, Foundations
from stackyard.images.parts import ContextFile, Recipe
from stackyard.images.recipe import recipe
from stackyard.images.versions import NOTHING_RECORDED, Record

SMALL = Path(__file__).parent / "catalogue"
FOUNDATIONS = Foundations(
    {
        "trixie": Foundation("stackyard-base:trixie-000000000000", {"base.yaml": "base"}),
        "bookworm": Foundation("stackyard-base:bookworm-000000000000", {"base.yaml": "another base"}),
    },
    ContextFile(b"uv", 0o755, "1.0"),
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the catalogue, to be changed."""
    return Path(shutil.copytree(SMALL, tmp_path / "catalogue"))


@pytest.fixture
def foundations() -> Foundations:
    """What the engine and the tool have."""
    return FOUNDATIONS


@pytest.fixture
def make(root: Path) -> Callable[..., Recipe]:
    """The recipe of the catalogue as it is now."""

    def made(versions: Record = NOTHING_RECORDED, cache: str = "") -> Recipe:
        bases = {name: replace(each, record=versions) for name, each in FOUNDATIONS.bases.items()}
        return recipe(load(root, "1", "plain"), replace(FOUNDATIONS, bases=bases), cache=cache)

    return made


@pytest.fixture
def small() -> Catalogue:
    """The catalogue."""
    return load(SMALL, "1", "plain")


@pytest.fixture
def real() -> Recipe:
    """The recipe of the release."""
    root = catalogue_root()
    return recipe(load(root, releases(root)[-1], max(sdns(root))), FOUNDATIONS)
