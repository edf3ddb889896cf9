"""What stands in the way of a build is said before anything is touched."""

from pathlib import Path

import pytest

from fakes import FakeEngine
from stackyard.effects.process import Result
from stackyard.errors import InputError, TimedOutError

ANSWER = '{"ServerVersion": "20.10", "DockerRootDir": "%s", "Containers": 3}'


@pytest.mark.parametrize(
    ("said", "message", "remedy"),
    [
        ("permission denied while trying to connect", "this user may not talk to the Docker engine", "run as root"),
        ("Cannot connect to the Docker daemon", "no Docker engine answers", "start it"),
    ],
)
def test_an_engine_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, said: str, message: str, remedy: str) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    with pytest.raises(InputError) as caught:
        FakeEngine({"info": (1, said)}).info  # noqa: B018
    assert caught.value.message.startswith(message)
    assert caught.value.hint.startswith(remedy)


def test_room_on_the_disk(tmp_path: Path) -> None:
    engine = FakeEngine({"info": ANSWER % tmp_path})
    engine.disk(0, "a build")
    with pytest.raises(InputError, match="a build needs 1000000000 GiB"):
        engine.disk(1e9, "a build")


def test_an_engine_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent(FakeEngine):
        def attempt(self, *_: str, **__: object) -> Result:  # type: ignore[override]
            raise TimedOutError("docker info did not end within 15 s")

    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    for question in (lambda: Silent().info, lambda: Silent().ask("ps")):
        with pytest.raises(InputError) as caught:
            question()
        assert caught.value.message == "no Docker engine answers: nothing is heard from it for 15 s"
        assert caught.value.hint == "DOCKER_HOST is tcp://192.0.2.1:2375: correct or unset it"
