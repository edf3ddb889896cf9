"""Bad input: exit code 2, one message that names the place and the remedy, and nothing touched."""

import os
import shutil
import socket
from pathlib import Path

import pytest

from demo import engine, tree
from tool import PROGRAM, ROOT, STATE, run

pytestmark = pytest.mark.cloud

GOOD = (ROOT / "catalogue/sites/demo.yaml").read_text(encoding="utf-8").replace("site: demo", "site: other")
STRUCTURE = next(ROOT.glob("catalogue/releases/*/structure.yaml"))


def touched() -> tuple[object, ...]:
    """Everything that a command could leave behind."""
    listings = (
        ["ps", "--all", "--no-trunc"],
        ["volume", "ls"],
        ["network", "ls", "--no-trunc"],
        ["images", "--no-trunc"],
    )
    objects = (frozenset(engine(*listing, "--quiet").stdout.split()) for listing in listings)
    return (*objects, [entry for entry in tree(STATE / "sites") if "/other" in entry[0]])


@pytest.fixture
def refused(stackyard):
    """Runs a command that must be refused without touching anything, and returns its message."""

    def call(*arguments: str, **env: str) -> str:
        before = touched()
        outcome = stackyard(*arguments, check=False, timeout=120, **env)
        assert outcome.code == 2, str(outcome)
        assert outcome.stderr.count("error: ") == 1, outcome.stderr
        assert "Traceback" not in outcome.stderr
        assert touched() == before
        return outcome.stderr

    return call


@pytest.fixture
def site_file(tmp_path):
    """Writes a site file."""

    def write(text: str) -> Path:
        path = tmp_path / "other.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


SITES = {
    "unknown key": (GOOD.replace("encapsulation:", "encapsulaton:"), ["encapsulaton", "encapsulation"]),
    "wrong type": (GOOD.replace('release: "2026.2"', "release: [1]"), ["release"]),
    "duplicate key": (GOOD + "sdn: ovn\n", ["sdn", "twice"]),
    "no address": (GOOD.replace("198.18.81.0/24", "198.18.81.0/44"), ["tunnel", "198.18.81.0/44"]),
    "two nodes, one address": (
        GOOD.replace("zone: az1", "zone: az1\n    management: 198.18.80.77").replace(
            "zone: az2", "zone: az2\n    management: 198.18.80.77"
        ),
        ["198.18.80.77", "compute1", "compute2"],
    ),
    "unknown sdn": (GOOD.replace("sdn: ovn", "sdn: ovm"), ["ovm", "ovn"]),
    "unknown release": (GOOD.replace("2026.2", "2062.2"), ["2062.2", "2026.2"]),
    "not yaml": (GOOD + "  {", ["other.yaml"]),
}


@pytest.mark.parametrize("name", SITES)
def test_a_bad_site_is_refused(refused, site_file, name):
    text, words = SITES[name]
    path = site_file(text)
    said = refused("up", "--site", str(path))
    for word in [path.name, *words]:
        assert word in said, said


def test_a_site_that_is_not_there(refused, tmp_path):
    assert "missing.yaml" in refused("up", "--site", str(tmp_path / "missing.yaml"))
    assert "nowhere" in refused("up", "--site", "nowhere")


STRUCTURES = {
    "unknown container": ("containers:\n  keyston: [keystone-api]\n", ["keyston"]),
    "no tag": ("containers:\n  nova:\n", ["version", "tag"]),
    "cycle": ("containers:\n  nova: [nova-api]\n  nova-api: [nova]\n", ["nova", "nova-api"]),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_bad_structure_is_refused(refused, tmp_path, name):
    text, words = STRUCTURES[name]
    path = tmp_path / "structure.yaml"
    version = "2026.2+rc 1" if name == "no tag" else "2026.2"
    path.write_text(f'version: "{version}"\n{text}', encoding="utf-8")
    said = refused("build", str(path))
    for word in [path.name, *words]:
        assert word in said, said


def test_a_release_without_a_lock_file(refused, tmp_path):
    catalogue = tmp_path / "catalogue"
    shutil.copytree(ROOT / "catalogue", catalogue)
    (catalogue / STRUCTURE.parent.relative_to(ROOT / "catalogue") / "python/keystone.txt").unlink()
    said = refused("build", "--plan", STACKYARD_CATALOGUE=str(catalogue))
    assert "keystone.txt" in said


def test_an_unknown_image(refused):
    assert "nova-apy" in refused("build", "-c", "nova-apy")


def test_a_missing_required_variable(refused, site_file):
    said = refused("up", "--site", str(site_file(GOOD + "settings:\n  METADATA_PORT: none\n")))
    assert "METADATA_PORT" in said


def test_no_engine(stackyard):
    outcome = stackyard("up", check=False, DOCKER_HOST="unix:///nonexistent/docker.sock")
    assert outcome.code == 2, str(outcome)
    assert outcome.stderr.count("error: ") == 1
    assert "engine" in outcome.stderr


def test_no_root():
    outcome = run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(PROGRAM), "up", check=False)
    if outcome.code in (126, 127):
        pytest.skip("the environment is not readable for others")
    assert outcome.code == 2, str(outcome)
    assert "root" in outcome.stderr


def test_a_port_in_use(refused, site_file):
    with socket.create_server(("127.0.0.1", 25000)):
        text = GOOD.replace("198.18.8", "198.18.9") + "publish:\n  offset: 20000\n"
        said = refused("up", "--site", str(site_file(text)))
    assert "25000 (keystone)" in said
    assert "in use" in said


def test_messages_name_the_line(refused, site_file):
    path = site_file(GOOD.replace("encapsulation:", "encapsulaton:"))
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if text.startswith("encapsulaton"))
    assert f"{path.name}:{line}" in refused("up", "--site", str(path))


def test_help_needs_nothing(stackyard):
    assert "verify" in stackyard("--help", PATH="/nonexistent", HOME=os.devnull).stdout
