"""Digests of images: read from the engine, recorded by name, used by `up`; and pushed images are in the record."""

import json
from pathlib import Path

import pytest

from fakes import FakeEngine, FakeHost
from stackyard.effects.engine import Engine
from stackyard.errors import CommandError
from stackyard.events import Event
from stackyard.images import digests
from stackyard.images.found import inspect
from stackyard.images.identity import Decision, Identity
from stackyard.images.order import push

ONE, TWO = ("sha256:" + letter * 64 for letter in "ab")
NAMES = ["localhost:5100/app:1", "localhost:5100/bare:1"]


def engine(**others: str | tuple[int, str]) -> Engine:
    """An engine with one image by two names, pushed by the first of them."""
    image = {"Id": "sha256:1", "Created": "", "Size": 1, "RepoTags": [*NAMES, f"localhost:5100/app@{ONE}"]}
    pushed = {**image, "RepoDigests": [f"localhost:5100/app@{ONE}", f"other.test/app@{TWO}"]}
    return FakeEngine({"image inspect": json.dumps([pushed]), **others})


def test_an_image_has_the_digest_of_its_own_name() -> None:
    found = inspect(engine(), [*NAMES, f"localhost:5100/app@{ONE}"])
    assert {name: each.digest for name, each in found.items()} == {
        NAMES[0]: ONE,
        NAMES[1]: "",
        f"localhost:5100/app@{ONE}": ONE,
    }


def test_a_record_keeps_what_is_not_said_again_and_forgets_what_is_said_to_be_gone(tmp_path: Path) -> None:
    host = FakeHost(state=tmp_path)
    assert digests.read(host) == {}
    digests.update(host, {"a": ONE, "b": ONE})
    digests.update(host, {"b": TWO, "c": ""})
    assert digests.read(host) == {"a": ONE, "b": TWO}
    digests.update(host, {"a": "", "b": f"{digests.UNPROVEN}{TWO}"})
    assert digests.read(host) == {"b": f"{digests.UNPROVEN}{TWO}"}
    assert digests.unproven(host) == {"b"}


def test_a_record_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    (tmp_path / "digests.json").write_text("{")
    assert digests.read(FakeHost(state=tmp_path)) == {}


def test_what_was_pushed_is_recorded_even_if_the_next_fails(tmp_path: Path) -> None:
    failing = {f"image push {NAMES[1]}": (1, "denied")}
    host = FakeHost(engine(**failing), tmp_path)  # type: ignore[arg-type]
    wanted = [Decision(name, name, "current", "", Identity({})) for name in NAMES]
    events: list[Event] = []
    with pytest.raises(CommandError):
        push(host, wanted, events.append)
    assert digests.read(host) == {NAMES[0]: ONE}
    assert events[1].message == f"pushed {NAMES[0]}, {ONE}"
    assert push(host, wanted[:1], events.append) == {NAMES[0]: ONE}
