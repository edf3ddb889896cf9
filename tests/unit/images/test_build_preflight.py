"""What stands in the way of a build is said before anything is touched."""

import json
from pathlib import Path

import pytest

from fakes import INFO, FakeEngine, FakeHost
from stackyard.deploy import facts
from stackyard.effects.engine import Engine
from stackyard.effects.process import Result
from stackyard.errors import InputError, TimedOutError
from stackyard.events import Event
from stackyard.images.order import ROOM_MIB


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


@pytest.mark.parametrize(
    ("said", "asked", "remedy"),
    [
        ("client version 1.60 is too new. Maximum supported API version is 1.41", "", "install a later engine"),
        ("client version 1.24 is too old. Minimum supported API version is 1.44, please", "", "install a later docker"),
        ("client version 1.60 is too new. Maximum supported API version is 1.41", "1.60", "DOCKER_API_VERSION is 1.60"),
    ],
)
def test_a_client_and_an_engine_that_do_not_fit(
    monkeypatch: pytest.MonkeyPatch, said: str, asked: str, remedy: str
) -> None:
    monkeypatch.setenv("DOCKER_API_VERSION", asked)
    answer = (1, f"Error response from daemon: {said}")
    for question in (lambda engine: engine.info, lambda engine: engine.ask("ps")):
        with pytest.raises(InputError) as caught:
            question(FakeEngine({"info": answer, "ps": answer}))
        assert caught.value.message.startswith("client and engine do not fit: client version")
        assert caught.value.hint.startswith(remedy)


CLIENT = """#!/bin/sh
# docker compose -p NAME -f FILE ps -q
{says}
"""


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ('test -s "$5"', ""),
        ('echo "open $5: no such file or directory" >&2; exit 14', "no such file or directory"),
        ('echo "$5: permission denied" >&2; exit 1', "permission denied"),
        ("echo something else >&2; exit 1", ""),
    ],
)
def test_a_client_that_does_not_see_our_files(tmp_path: Path, says: str, told: str) -> None:
    engine = Engine()
    engine.client = str(tmp_path / "docker")
    (tmp_path / "docker").write_text(CLIENT.format(says=says))
    (tmp_path / "docker").chmod(0o755)
    assert engine.unread(tmp_path / "not" / "there").rpartition(": ")[2] == told
    assert [path.name for path in tmp_path.iterdir()] == ["docker"]


def test_plugins_that_are_too_new_for_the_engine(tmp_path: Path) -> None:
    said = "Error response from daemon: client version 1.48 is too new. Maximum supported API version is 1.41"
    test = type("Misfit", (FakeEngine,), {"unread": Engine.unread})({"compose": (1, said)})
    with pytest.raises(InputError, match=r"do not fit: client version 1\.48 is too new"):
        test.unread(tmp_path)


def test_how_the_engine_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    class Reached(FakeEngine):
        endpoint = Engine.endpoint  # type: ignore[assignment]

    monkeypatch.delenv("DOCKER_HOST", raising=False)
    assert Reached().endpoint == "unix:///var/run/docker.sock"
    monkeypatch.setenv("DOCKER_HOST", "ssh://there")
    assert Reached().endpoint == "ssh://there"
    named = json.dumps(INFO | {"ClientInfo": {"Context": "far"}})
    assert Reached({"info": named, "context inspect": "tcp://192.0.2.1:2376\n"}).endpoint == "tcp://192.0.2.1:2376"


def test_what_an_engine_says_of_itself() -> None:
    told = INFO | {"SecurityOptions": ["name=seccomp,profile=default", "name=rootless", "name=userns"]}
    info = FakeEngine({"info": json.dumps(told)}).info
    assert info.options == {"seccomp", "rootless", "userns"}
    assert (info.platform, info.kernel) == ("linux/x86_64", INFO["KernelVersion"])


@pytest.mark.parametrize(
    ("changes", "lacks", "words"),
    [
        ({}, {"room": 1024}, "has 1.0 GiB free; a build needs 8.0 GiB"),
        ({"Architecture": "aarch64"}, {}, "linux/aarch64: images are made for linux/amd64 only yet"),
    ],
)
def test_what_keeps_a_build_from_beginning(changes: dict[str, str], lacks: dict[str, int], words: str) -> None:
    host = FakeHost(FakeEngine({"info": json.dumps(INFO | changes)}), lacks=lacks)
    facts.building(FakeHost(), {}, ROOM_MIB, pytest.fail).check()
    with pytest.raises(InputError, match=words):
        facts.building(host, {}, ROOM_MIB, pytest.fail).check()


def test_what_only_keeps_images_from_running_is_told_before_they_are_built() -> None:
    told: list[Event] = []
    host = FakeHost(FakeEngine({"info": json.dumps(INFO | {"SecurityOptions": ["name=rootless"]})}))
    facts.building(host, {}, ROOM_MIB, told.append).check()
    (event,) = told
    assert event.message.startswith("`stackyard up` will be refused here: the Docker engine is rootless")


def test_an_engine_of_another_context_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    with pytest.raises(InputError) as caught:
        FakeEngine({"info": '{"ClientInfo": {"Context": "far"}}'}).info  # noqa: B018
    assert caught.value.hint == "the docker client asks the context far: correct it, or `docker context use default`"


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
