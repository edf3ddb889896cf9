"""The docker client is one that can build and compose, wherever it is; else what it lacks is told."""

from collections.abc import Callable
from pathlib import Path

import pytest

from stackyard.effects import engine
from stackyard.effects.engine import Engine
from stackyard.errors import InputError

Client = Callable[..., Path]


@pytest.fixture(autouse=True)
def _nowhere_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(engine, "USUAL", str(tmp_path / "usual"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'first'}:{tmp_path / 'second'}")


@pytest.fixture
def client(tmp_path: Path) -> Client:
    """Puts a client in a folder that knows these plugins."""

    def make(folder: str, *plugins: str) -> Path:
        path = tmp_path / folder / "docker"
        path.parent.mkdir()
        path.write_text(f'#!/bin/sh\ncase " {" ".join(plugins)} " in *" $1 "*) exit 0;; esac\nexit 1\n')
        path.chmod(0o755)
        return path

    return make


def test_the_first_that_has_both(client: Client) -> None:
    client("first", "compose")
    path = client("second", "compose", "buildx")
    assert Engine().client == str(path)


def test_one_in_the_usual_place_though_not_on_path(client: Client) -> None:
    path = client("usual", "compose", "buildx")
    assert Engine().client == str(path)


@pytest.mark.parametrize("plugin", ["buildx", "compose"])
def test_what_is_missing_is_named(client: Client, plugin: str) -> None:
    path = client("first", *({"buildx", "compose"} - {plugin}))
    with pytest.raises(InputError) as caught:
        _ = Engine().client
    assert caught.value.message == f"the docker client lacks a plugin: {path} has no {plugin}"
    assert caught.value.hint == f"install docker-{plugin}, or run ./quickstart, which does"


def test_one_client_under_two_names_is_told_once(client: Client, tmp_path: Path) -> None:
    path = client("first")
    (tmp_path / "second").symlink_to(tmp_path / "first")
    with pytest.raises(InputError) as caught:
        _ = Engine().client
    assert caught.value.message == f"the docker client lacks a plugin: {path} has no buildx and no compose"


def test_no_client() -> None:
    with pytest.raises(InputError, match="no docker client") as caught:
        _ = Engine().client
    assert "quickstart" in caught.value.hint
