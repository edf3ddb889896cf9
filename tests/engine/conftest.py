"""The toy site on a real engine."""

import importlib.util
import shutil
from collections.abc import Iterator

import pytest

from tool import Tool
from toy import TOY, Toy, engine


@pytest.fixture(scope="session")
def toy_images() -> Iterator[None]:
    spec = importlib.util.spec_from_file_location("toy_images", TOY / "images.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.make()
    yield
    engine("rmi", *engine("images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference=toy.test/*").split())


@pytest.fixture(scope="module")
def toy_site(stackyard: Tool, toy_images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toy]:  # noqa: ARG001
    folder = tmp_path_factory.mktemp("toy")
    shutil.copytree(TOY / "catalogue", folder / "catalogue")
    toy = Toy(stackyard, folder)
    toy("down", "--volumes")
    yield toy
    toy("down", "--volumes")


@pytest.fixture
def toy(toy_site: Toy) -> Toy:
    """The site as its file says it, up or down."""
    toy_site.change()
    return toy_site


@pytest.fixture
def running(toy: Toy) -> Toy:
    """The site, up."""
    toy("up")
    return toy
