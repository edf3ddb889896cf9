"""The files of the demo site are ones that compose takes as they are, without Stackyard."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from resolved_sites import TOY, rendered, resolved
from stackyard.deploy.state import SiteState
from stackyard.effects.engine import Engine

DOCKER = Engine().client

pytestmark = pytest.mark.engine


def test_compose_accepts_every_directory_of_the_demo(tmp_path: Path) -> None:
    made = rendered(resolved("demo"))
    state = SiteState(tmp_path)
    paths = state.stale(made.files)
    state.write_files(made.files, paths)
    assert state.stale(made.files) == ()
    directories = {path.parent for path in tmp_path.rglob("docker-compose.yml")}
    assert len(directories) > 5
    for folder in sorted(directories):
        told = subprocess.run(
            [DOCKER, "compose", "config", "--quiet"], cwd=folder, capture_output=True, text=True, check=False
        )
        assert (told.returncode, told.stderr) == (0, ""), folder


# Quotes and blanks around a value are refused: tests/unit/entrypoint/test_entrypoint_foreign.py.
VALUES = [
    "plain",
    "100%^~",
    "two words # no comment",
    "a$HOME$$",
    "back\\n\\",
    "ä🙂",
    "it's",
    "a=b",
]


@pytest.fixture
def image() -> Iterator[str]:
    """An image with nothing in it."""
    empty = (
        subprocess.run([DOCKER, "import", "-"], input=bytes(10240), capture_output=True, check=True)
        .stdout.decode()
        .strip()
    )
    yield empty
    subprocess.run([DOCKER, "rmi", empty], capture_output=True, check=True)


def output(*command: str, cwd: Path) -> str:
    return subprocess.run([DOCKER, *command], cwd=cwd, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("value", VALUES)
def test_compose_and_docker_read_the_same_values(tmp_path: Path, value: str, image: str) -> None:
    made = rendered(resolved("toy", TOY, settings={"GREETING": value}))
    state = SiteState(tmp_path)
    state.write_files(made.files, state.stale(made.files))
    folder = next(path.parent for path in tmp_path.rglob("docker-compose.yml") if path.parent.name == "front")
    (service,) = json.loads(output("compose", "config", "--format", "json", cwd=folder))["services"].values()
    composed = {name: text.replace("$$", "$") for name, text in service["environment"].items()}
    container = output("create", "--env-file", "common.env", image, "x", cwd=folder).strip()
    try:
        shown = json.loads(output("inspect", "--format", "{{json .Config.Env}}", container, cwd=folder))
    finally:
        output("rm", container, cwd=folder)
    read = dict(line.split("=", 1) for line in shown)
    read.pop("PATH", None)
    assert read
    assert read.items() <= composed.items()
    assert composed["GREETING"] == value
