"""What stands in the way of a build is said before anything is touched."""

from pathlib import Path

import pytest

from stackyard.effects import preflight
from stackyard.effects.process import Result
from stackyard.errors import InputError, TimedOutError

ANSWER = '{"ServerVersion": "20.10", "DockerRootDir": "%s", "Containers": 3}'


def answers(monkeypatch: pytest.MonkeyPatch, code: int, stdout: str, stderr: str = "") -> None:
    preflight.engine.cache_clear()
    monkeypatch.setattr(preflight, "docker", lambda: "docker")
    monkeypatch.setattr(preflight, "run", lambda argv, **_: Result(tuple(argv), code, stdout, stderr))


@pytest.fixture(autouse=True)
def _forget() -> None:
    preflight.engine.cache_clear()


@pytest.mark.parametrize(
    ("said", "message", "remedy"),
    [
        ("permission denied while trying to connect", "this user may not talk to the Docker engine", "run as root"),
        ("Cannot connect to the Docker daemon", "no Docker engine answers", "start it"),
    ],
)
def test_an_engine_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, said: str, message: str, remedy: str) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    answers(monkeypatch, 1, "", said)
    with pytest.raises(InputError) as caught:
        preflight.engine()
    assert caught.value.message.startswith(message)
    assert caught.value.hint.startswith(remedy)


def test_room_on_the_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answers(monkeypatch, 0, ANSWER % tmp_path)
    preflight.disk(0, "a build")
    with pytest.raises(InputError, match="a build needs 1000000000 GiB"):
        preflight.disk(1e9, "a build")


def test_an_engine_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object, **__: object) -> Result:
        raise TimedOutError("docker info did not end within 15 s")

    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    answers(monkeypatch, 0, "")
    monkeypatch.setattr(preflight, "run", silent)
    with pytest.raises(InputError) as caught:
        preflight.engine()
    assert caught.value.message == "no Docker engine answers: nothing is heard from it for 15 s"
    assert caught.value.hint == "DOCKER_HOST is tcp://192.0.2.1:2375: correct or unset it"
