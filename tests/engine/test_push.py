"""`build --push`, to a real registry."""

import json
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry import registry as served
from stackyard.effects.engine import Engine
from tool import Tool, run
from waiting import NotYet, wait_for

DOCKER = Engine().client

pytestmark = pytest.mark.engine

SMALL = Path(__file__).parents[1] / "unit" / "images" / "catalogue"


def ask(url: str) -> dict[str, list[str]]:
    """Return what the registry answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - http
            return dict(json.loads(answer.read()))
    except OSError as error:
        raise NotYet(str(error)) from error


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Host and port of an empty registry."""
    folder = tmp_path_factory.mktemp("registry")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = served(folder, f"127.0.0.1:{port}")
    log = (folder / "log").open("wb")
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_for("the registry", lambda: ask(f"http://127.0.0.1:{port}/v2/"), 30)
        yield f"localhost:{port}"
    finally:
        process.terminate()
        process.wait(30)


def test_images_are_pushed_to_the_registry_of_their_names(registry: str, tmp_path: Path) -> None:
    shutil.copytree(SMALL, tmp_path / "catalogue")
    env = {"STACKYARD_CATALOGUE": str(tmp_path / "catalogue"), "STACKYARD_STATE": str(tmp_path / "state")}
    names = [f"{registry}/yard/bare:1", f"{registry}/yard/app:1"]
    build = ["build", "--site", "small", "-c", "bare", "-c", "app", "--registry", f"{registry}/yard"]
    try:
        told = Tool()(*build, "--push", timeout=300, **env).stderr
        pushed = json.loads((tmp_path / "state/digests.json").read_text())
        assert sorted(pushed) == sorted(names)
        assert all(f"pushed {name}, {pushed[name]}" in told for name in names)
        assert ask(f"http://{registry}/v2/_catalog")["repositories"] == ["yard/app", "yard/bare"]
        run(DOCKER, "image", "rm", "--force", *names)
        run(DOCKER, "pull", names[0])
        assert Tool()(*build[:3], "-c", "bare", *build[-2:], "--plan", **env).stdout.startswith("nothing to do")
    finally:
        run(DOCKER, "image", "rm", "--force", *names, check=False)


def test_a_registry_that_does_not_answer_is_told(tmp_path: Path) -> None:
    shutil.copytree(SMALL, tmp_path / "catalogue")
    env = {"STACKYARD_CATALOGUE": str(tmp_path / "catalogue"), "STACKYARD_STATE": str(tmp_path / "state")}
    build = ["build", "--site", "small", "-c", "bare", "--registry", "localhost:1/yard", "--push"]
    try:
        failed = Tool()(*build, check=False, timeout=300, **env)
        assert failed.code == 1
        assert "docker image push localhost:1/yard/bare:1 failed" in failed.stderr
    finally:
        run(DOCKER, "image", "rm", "--force", "localhost:1/yard/bare:1", check=False)
