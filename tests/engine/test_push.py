"""`build --push`, to a real registry."""

import json
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

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


VENDOR = {
    "plain/sdn.yaml": "sdn: plain\ntitle: Plain\nencapsulations: [vxlan]\n"
    "sources: {vendor: {title: vendor's programs}}\n",
    "plain/thing/service.yaml": "service: thing\ntitle: Thing\nsdn: plain\nuser: 2999\n"
    "images: {thing: {description: One.}}\n"
    "containers: {thing: {image: thing, project: thing, group: controller}}\n",
    "plain/sources/vendor/images/layer.yaml": "extends:\n"
    "  thing: {images: {thing: {published: {source: vendor, name: thing}, command: [/thing]}}}\n",
}


def test_published_images_are_mirrored_and_then_taken_by_digest(registry: str, tmp_path: Path) -> None:
    shutil.copytree(SMALL, tmp_path / "catalogue")
    for name, text in VENDOR.items():
        (tmp_path / "catalogue" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "catalogue" / name).write_text(text)
    with (tmp_path / "catalogue/releases/1/structure.yaml").open("a") as structure:
        structure.write("  thing:\n")
    site = tmp_path / "catalogue/sites/small.yaml"
    site.write_text(f"{site.read_text()}sources: {{vendor: {{images: push.test/vendor, tag: R1}}}}\n")
    env = {"STACKYARD_CATALOGUE": str(tmp_path / "catalogue"), "STACKYARD_STATE": str(tmp_path / "state")}
    copy = f"{registry}/yard/vendor/thing:R1"
    made = [copy, "push.test/vendor/thing:R1"]
    run("sh", "-c", f"tar -c -C {tmp_path} catalogue/sites | {DOCKER} image import - push.test/vendor/thing:R1")
    try:
        mirrored = Tool()("mirror", "--site", "small", "--registry", f"{registry}/yard", **env)
        told = yaml.safe_load(mirrored.stdout.partition("In the site file:\n")[2])
        digest = told["sources"]["vendor"]["digests"]["thing"]
        assert told == {"sources": {"vendor": {"images": f"{registry}/yard/vendor", "digests": {"thing": digest}}}}
        run(DOCKER, "image", "rm", "--force", copy, "push.test/vendor/thing:R1")
        site.write_text(site.read_text().rpartition("sources:")[0] + yaml.safe_dump(told))
        again = Tool()("mirror", "--site", "small", "--registry", f"{registry}/again", "--output", "json", **env)
        (image,) = json.loads(again.stdout)["images"]
        made.append(image["reference"])
        assert image["digest"] == digest
    finally:
        run(DOCKER, "image", "rm", "--force", *made, check=False)
