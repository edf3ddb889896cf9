"""The structure that ARCHITECTURE.md promises: one direction, effects at the rim, services as data only."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from stackyard.catalogue import catalogue_root, load, sdns

SOURCE = Path(__file__).parents[2] / "src" / "stackyard"
FILES = sorted(SOURCE.rglob("*.py"))
ALLOWED = {
    "errors": set(),
    "events": set(),
    "table": set(),
    "model": set(),
    "entrypoint": set(),
    "effects": {"errors", "events"},
    "certificates": set(),
    "secrets": {"certificates", "effects", "errors"},
    "catalogue": {"model", "entrypoint", "effects", "errors"},
    "plan": {"catalogue", "model", "entrypoint", "secrets", "errors"},
    "images": {"catalogue", "model", "effects", "errors", "events", "table"},
    "bundle": {"plan", "catalogue", "model", "secrets", "errors"},
    "guest": {"effects", "errors", "events"},
    "deploy": {
        *("guest", "images", "bundle", "plan", "catalogue", "model", "entrypoint", "secrets"),
        *("effects", "errors", "events", "table"),
    },
    "verify": {"guest", "plan", "catalogue", "model", "secrets", "effects", "errors", "events", "table"},
    "ui": {"events"},
}
"""Part -> parts it may import; the command line may import all of them, and nothing imports it."""


def part_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Parts of stackyard that a file imports absolutely."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module] if node.module != "stackyard" else [f"stackyard.{each.name}" for each in node.names]
        elif isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("stackyard.")}
    return found


@pytest.mark.parametrize("path", [path for path in FILES if part_of(path) in ALLOWED], ids=lambda path: path.name)
def test_imports_go_one_way(path):
    part = part_of(path)
    assert imported(path) - {part} <= ALLOWED[part]


@pytest.mark.parametrize("path", [p for p in FILES if part_of(p) not in {"effects", "entrypoint"}], ids=str)
def test_only_effects_run_processes_and_open_sockets(path):
    tree = ast.parse(path.read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not names & {"subprocess", "socket", "http.client", "urllib.request", "pty"}


FORMAT = {"node", "placement"}
"""A node is a noun of ours, and placement what a check of the proof is about."""


def words(path: Path) -> Iterator[tuple[int, str]]:
    """Every string in a file with its line, docstrings apart."""
    tree = ast.parse(path.read_text())
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.lineno, node.value


def test_nothing_about_one_service_in_python():
    """No name of a service, image or SDN, and no label or encapsulation of theirs, alone or inside a longer string."""
    catalogue = load(catalogue_root(), "2026.2", "ovn")
    labels = {part for service in catalogue.services.values() for key in service.labels for part in key.split(".")}
    names = {*catalogue.services, *catalogue.images, *sdns(catalogue_root()), *catalogue.back_end.encapsulations}
    names |= {"mysql", "fernet", "juniper"} | {each for each in labels if each not in {"net", "openstack", "node"}}
    pattern = re.compile(rf"(?<![a-z])({'|'.join(sorted(names - FORMAT, key=len, reverse=True))})(?![a-z])")
    found = [
        f"{path.relative_to(SOURCE)}:{line}: {text}"
        for path in FILES
        for line, text in words(path)
        if pattern.search(text.lower())
    ]
    assert found == []


def test_files_of_tests_have_names_of_their_own() -> None:
    """Without packages pytest knows them by these."""
    names = [path.name for path in Path(__file__).parents[1].rglob("test_*.py")]
    assert [name for name in set(names) if names.count(name) > 1] == []
