"""What is built when something changes, and the reason that is given."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from stackyard.images.identity import LABEL_INPUTS, Identity, decide, explain, foreign
from stackyard.images.parts import Recipe

Make = Callable[..., Recipe]

ALL = ("app", "app-api", "app-agent", "db", "bare")

CHANGES = [
    # file, what is replaced, by what, image -> why
    ("area/app/app.conf.j2", "server", "host", {"app-api": "area/app/app.conf.j2 changed"}),
    ("area/app/service.yaml", "netbase", "tree", dict.fromkeys(ALL[:3], "packages of app changed")),
    ("area/app/service.yaml", "extract: {hello: [usr/bin]}", "", {"app-agent": "packages of app-agent removed"}),
    ("area/app/service.yaml", "The agent.", "An agent.", {"app-agent": "settings of app-agent changed"}),
    ("area/app/service.yaml", "node: compute", "node: controller", {"app-agent": "settings of app-agent changed"}),
    ("area/app/service.yaml", "touch /etc/app/made", "rm -f /x", dict.fromkeys(ALL[:3], "set-up of app changed")),
    ("area/app/policy.json", "{}", "[]", dict.fromkeys(ALL[:3], "set-up of app changed")),
    ("area/db/bake.sh", "set -eu", "set -e", {"db": "area/db/bake.sh changed"}),
    ("area/bare/service.yaml", '"100"', '"200"', {"bare": "runtime of bare changed"}),
    ("releases/1/python/entrypoint.txt", "jinja2==", "jinja3==", dict.fromkeys(ALL, "python/entrypoint.txt changed")),
]


def decisions(before: Recipe, now: Recipe) -> dict[str, str]:
    """Image -> why, of those that have to be built when the engine has those of `before`."""
    labels = {image: Identity(before.inputs(image)).labels for image in before.images}
    made = [decide(now, image, f"x/{image}:1", labels.get(image)) for image in now.images]
    return {each.image: each.why for each in made if each.build}


@pytest.mark.parametrize(("file", "old", "new", "expected"), CHANGES, ids=[f"{c[0]}: {c[1]}" for c in CHANGES])
def test_what_a_change_rebuilds(  # noqa: PLR0917 - pytest passes them by name
    make: Make, root: Path, file: str, old: str, new: str, expected: dict[str, str]
) -> None:
    before = make()
    path = root / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    found = decisions(before, make())
    mine = {image: why for image, why in found.items() if image in expected}
    assert set(found) - {"db"} == set(expected) - {"db"}, found
    assert {image: _relevant(why, expected[image]) for image, why in mine.items()} == expected


def _relevant(why: str, expected: str) -> str:
    """The parts of a reason that are expected; a change of the service's scripts also changes its runtime."""
    return "; ".join(part for part in why.split("; ") if part in expected.split("; "))


def test_a_lock_rebuilds_its_family_and_the_baked_database(make: Make, root: Path) -> None:
    before = make()
    path = root / "releases/1/python/app.txt"
    path.write_text(path.read_text() + "# more\n")
    assert set(decisions(before, make())) == {"app", "app-api", "app-agent", "db"}


def test_nothing_changed_is_nothing_to_do(make: Make) -> None:
    assert decisions(make(), make()) == {}


def test_an_image_that_is_not_there_is_new(make: Make) -> None:
    assert decide(make(), "bare", "x/bare:1", None).why == "new"


def test_an_image_of_someone_else_is_said_to_be(make: Make) -> None:
    assert decide(make(), "bare", "x/bare:1", {}).why == "it was not built by stackyard"


def test_many_reasons_are_counted() -> None:
    now = {str(number): "x" for number in range(9)}
    assert explain("{}", now) == "0 added; 1 added; 2 added; 3 added; and 5 more"


def test_labels_hold_the_inputs() -> None:
    labels = Identity({"a": "1"}).labels
    assert json.loads(labels[LABEL_INPUTS]) == {"a": "1"}


@pytest.mark.parametrize(
    ("name", "recorded", "expected"),
    [
        ("a.conf", False, "a.conf changed"),
        ("packages of app", False, "packages of app changed"),
        ("Debian versions of app", False, ""),
        ("Debian versions of app", True, "Debian versions of app changed"),
        ("published x/y", False, ""),
        ("published x/y", True, "published x/y changed"),
    ],
)
def test_an_image_from_elsewhere_has_the_versions_of_its_builder_where_none_are_recorded(
    name: str, recorded: bool, expected: str
) -> None:
    inputs = {"a.conf": "1", "packages of app": "1", "Debian versions of app": "1", "published x/y": "1"}
    built = Identity({**inputs, name: "2"})
    assert foreign(Identity(inputs), built.labels, recorded=recorded) == expected
    assert foreign(built, built.labels, recorded=recorded) == ""


def test_an_image_that_says_nothing_of_itself_is_not_the_one_that_is_wanted() -> None:
    assert foreign(Identity({"Debian versions of app": "1"}), {}, recorded=False) == "it was not built by stackyard"
