"""The stored reference is what the models say, every key is described, and links lead somewhere."""

import importlib.machinery
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from stackyard.catalogue.schema import MODELS

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = ("site.md", "catalogue.md", "contracts.md", "cli.md")
WRITTEN = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")])
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def load() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("docs_generator", str(REPOSITORY / "tools" / "docs"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    return load()


@pytest.fixture(scope="module")
def given(generator) -> dict[str, str]:
    return generator.pages()


@pytest.mark.parametrize("name", PAGES)
def test_stored_pages_are_those_of_the_generator(given, name):
    stored = REPOSITORY / "docs" / "reference" / name
    assert stored.is_file(), "run: .venv/bin/python tools/docs"
    assert stored.read_text() == given[name], "run: .venv/bin/python tools/docs"


def test_there_are_no_other_pages(given):
    assert sorted(given) == sorted(PAGES)
    assert {path.name for path in (REPOSITORY / "docs" / "reference").iterdir()} == set(PAGES)


@pytest.mark.parametrize("name", MODELS)
def test_every_key_is_described(generator, name):
    missing = [
        f"{model.__name__}.{key}"
        for model in generator.models(MODELS[name])
        for key, field in model.model_fields.items()
        if not field.description
    ]
    assert not missing


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_to_files(page):
    broken = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert not broken
