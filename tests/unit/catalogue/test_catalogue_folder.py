"""The catalogue of this repository, as it is."""

import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from stackyard.catalogue import Catalogue, catalogue_root, load, open_site, releases, sdns
from stackyard.catalogue.container import container_json, step_identity
from stackyard.catalogue.schema import MODELS, schema, schema_text
from stackyard.entrypoint.container import Container
from stackyard.entrypoint.contract import read_environment
from stackyard.entrypoint.files import render
from stackyard.entrypoint.session import Session

ROOT = catalogue_root()
REPOSITORY = Path(__file__).parents[3]
EVERY = [(release, sdn) for release in releases(ROOT) for sdn in sdns(ROOT)]


@pytest.mark.parametrize(("release", "sdn"), EVERY)
def test_loads(release: str, sdn: str) -> None:
    assert load(ROOT, release, sdn).images


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "sites").glob("*.yaml")))
def test_sites_open(name: str) -> None:
    site, catalogue = open_site(name)
    assert site.site == name
    assert catalogue.release == site.release


@pytest.mark.parametrize(("release", "sdn"), EVERY)
def test_a_step_that_adopts_earlier_ones_is_still_the_step_that_did(release: str, sdn: str) -> None:
    """When a step changes, what it adopted has to go, or to be looked at anew."""
    catalogue = load(ROOT, release, sdn)
    steps = [
        (image, step) for image in catalogue.images for step in catalogue.effective(image).bootstrap if step.adopts
    ]
    assert steps
    for image, step in steps:
        assert list(step.adopts) == [step_identity(catalogue, image, step)], image


def _images() -> list[tuple[Catalogue, str]]:
    return [(catalogue, name) for each in EVERY for catalogue in [load(ROOT, *each)] for name in catalogue.images]


EXAMPLES = {
    "str": "text",
    "name": "name",
    "host": "192.0.2.10",
    "hosts": "192.0.2.10,192.0.2.11",
    "address": "192.0.2.10",
    "cidr": "192.0.2.0/24",
    "port": "1024",
    "int": "1",
    "bool": "true",
    "url": "http://192.0.2.10:80",
    "list": "one,two",
    "path": "/path",
    "secret": "secret",
    "text": "one\ntwo",
    "json": "[]",
}


@pytest.mark.parametrize("everything", [False, True], ids=["required", "everything"])
@pytest.mark.parametrize(("catalogue", "image"), _images(), ids=lambda value: value if isinstance(value, str) else "")
def test_templates_render(catalogue: Catalogue, image: str, everything: bool) -> None:
    """With the required variables alone, and with all of them."""
    data = container_json(catalogue, image)
    env = {
        name: str(variable["example"] or (variable["values"] or [EXAMPLES[variable["type"]]])[0])
        for name, variable in data["contract"].items()
        if variable["required"] or (everything and variable["default"] is None)
    }
    outcome = read_environment(data["contract"], env, known=data["known"])
    assert not outcome.errors
    session = Session(Container(data, ""), outcome.values, "")
    files, problems = render(data["templates"], session.context, catalogue.template_folders(data["service"]))
    assert problems == []
    assert bool(files) is bool(data["templates"])


@pytest.mark.parametrize("name", MODELS)
def test_stored_schemas_are_those_of_the_models(name: str) -> None:
    stored = (REPOSITORY / "docs" / "schema" / f"{name}.json").read_text()
    assert stored == schema_text(name), "run: stackyard schema --write docs/schema"


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("site", "sites/*.yaml"),
        ("structure", "releases/*/structure.yaml"),
        ("base", "releases/*/base.yaml"),
        ("sdn", "*/sdn.yaml"),
    ],
)
def test_files_fit_their_schemas(name: str, pattern: str) -> None:
    files = sorted(ROOT.glob(pattern))
    assert files
    for file in files:
        jsonschema.validate(yaml.safe_load(file.read_text()), schema(name))


def test_demo_names_its_schema() -> None:
    demo = ROOT / "sites" / "demo.yaml"
    first = demo.read_text().partition("\n")[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert (demo.parent / first.partition("=")[2]).resolve() == REPOSITORY / "docs" / "schema" / "site.json"


HELP = """
import sys
import stackyard.cli
try:
    stackyard.cli.main(["--help"])
finally:
    print(*{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""


def test_help_imports_nothing_large() -> None:
    done = subprocess.run([sys.executable, "-c", HELP], check=True, capture_output=True, text=True)
    imported = set(done.stderr.split())
    assert "click" in imported
    assert imported & {"pydantic", "yaml", "jinja2", "keystoneauth1", "rich", "asyncio"} == set()
