"""The record of Debian versions: what apt is asked, what an image adds, what is said of a change."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from stackyard.catalogue import Catalogue, load
from stackyard.events import Event, silent
from stackyard.images import mirror
from stackyard.images.base import BaseImage
from stackyard.images.identity import Identity
from stackyard.images.mirror import complete
from stackyard.images.parts import Recipe
from stackyard.images.versions import Record, changes, extracted, installed, listing, requests

Make = Callable[..., Recipe]

RECORD = Record(
    base={"libc6": "2.41-12", "tini": "0.19.0-3"},
    answers={
        "install netbase": {"netbase": "6.5", "libc6": "2.41-12"},
        "install netbase hello": {"netbase": "6.5", "hello": "2.10-5"},
        "install hello": {"hello": "2.10-5", "libc6": "2.41-12+deb13u1"},
        "extract hello": {"hello": "2.10-5"},
    },
)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("app", ["install netbase"]),
        ("app-api", ["install netbase"]),
        ("app-agent", ["install netbase", "extract hello"]),
        ("db", ["install hello"]),
        ("bare", []),
    ],
)
def test_what_apt_is_asked(small: Catalogue, image: str, expected: list[str]) -> None:
    assert requests(*small.image(image)) == expected


def test_a_sub_is_asked_for_with_the_packages_below_it_and_adds_only_its_own(root: Path) -> None:
    path = root / "area/app/service.yaml"
    path.write_text(path.read_text().replace("extract: {hello: [usr/bin]}", "packages: [hello, netbase]"))
    agent = load(root, "1", "plain").image("app-agent")
    assert requests(*agent) == ["install netbase", "install netbase hello"]
    assert installed(RECORD, *agent) == {"hello": "2.10-5"}


def test_what_the_base_has_is_not_installed_again_but_upgraded(small: Catalogue) -> None:
    assert installed(RECORD, *small.image("app")) == {"netbase": "6.5"}
    assert installed(RECORD, *small.image("app-api")) == {}
    assert installed(RECORD, *small.image("db")) == {"hello": "2.10-5", "libc6": "2.41-12+deb13u1"}
    assert extracted(RECORD, small.image("app-agent")[1].extract) == {"hello": "2.10-5"}


def test_a_build_step_reads_a_line_a_package_and_stops_at_what_is_not_resolved(small: Catalogue) -> None:
    assert listing(installed(RECORD, *small.image("db"))) == b"hello=2.10-5\nlibc6=2.41-12+deb13u1\n"
    assert listing(installed(Record(), *small.image("db"))) == b"not resolved\n"
    assert listing(extracted(Record(), small.image("app-agent")[1].extract)) == b"not resolved\n"


def test_a_record_is_read_as_it_was_written() -> None:
    assert Record.parse(RECORD.text) == RECORD
    assert Record.parse("half of a rec") == Record.parse("{}") == Record.parse('{"x": 1}') == Record()


def test_a_newer_version_rebuilds_the_images_that_have_it_and_no_others(make: Make) -> None:
    newer = RECORD.answered({"install netbase": {"netbase": "6.6"}})
    before, after = make(versions=RECORD), make(versions=newer)
    different = [
        name for name in before.images if Identity(before.inputs(name)).value != Identity(after.inputs(name)).value
    ]
    assert different == ["app", "app-api", "app-agent"]


def test_a_change_is_told_with_the_images_that_have_it(small: Catalogue) -> None:
    newer = RECORD.answered({"install netbase": {"netbase": "6.6", "tree": "2.2"}})
    assert changes(RECORD, newer, small.images) == ["netbase 6.5 -> 6.6: app", "tree new -> 2.2: app"]
    based = Record({**RECORD.base, "tini": "0.19.0-4"}, RECORD.answers)
    assert changes(RECORD, based, small.images) == ["tini 0.19.0-3 -> 0.19.0-4: base"]
    assert changes(Record(), RECORD, small.images) == []
    assert changes(Record(RECORD.base, {"extract hello": {"hello": "2"}}), RECORD, small.images) == []


def test_versions_are_part_of_the_base_and_pinned_where_it_is_made(small: Catalogue) -> None:
    plain, pinned = BaseImage(small.base), BaseImage(small.base, RECORD.base)
    assert pinned.reference != plain.reference
    assert pinned.making == plain.making
    assert pinned.inputs["making of the base"] == plain.inputs["making of the base"]
    assert pinned.inputs["Debian versions of the base"] != plain.inputs["Debian versions of the base"]
    assert any("Pin: version 2.41-12\n" in part for part in pinned.command("-"))


def test_a_distribution_is_made_with_the_options_that_it_names_and_is_another_one_with_them(small: Catalogue) -> None:
    plain = BaseImage(small.base)
    hooked = BaseImage(small.base.model_copy(update={"bootstrap": ("--hook-dir=/hooks",)}))
    assert [each for each in hooked.command("-") if each not in plain.command("-")] == ["--hook-dir=/hooks"]
    assert hooked.reference != plain.reference


class Engine:
    """Stands for the container that asks the mirror."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: dict[str, str]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.options: list[str] = []
        self.made: list[tuple[str, bool]] = []
        monkeypatch.setattr(mirror.base, "ensure", self.ensure)
        monkeypatch.setattr(mirror.base, "versions_in", lambda _engine, _reference: {"libc6": "2"})

    def run(self, *_arguments: str) -> None:
        """Change nothing."""

    def ensure(self, _engine: object, base: BaseImage, _report: object, *, anew: bool = False) -> None:
        self.made.append((base.reference, anew))

    def stream(self, *argv: str, on_line: Callable[[str], None], env: Mapping[str, str]) -> int:
        self.env = env
        self.options = list(argv[: argv.index("debian-versions")])
        self.asked = list(argv[argv.index("debian-versions") + 1 :])
        for request in self.asked:
            on_line(f"== {request}")
            if request not in self.answers:
                on_line("E: Unable to locate package")
                return 100
            for line in self.answers[request].splitlines():
                on_line(line)
        return 0


NEWEST = {
    "installed": "+ libc6 1",
    "upgrade": "",
    "install netbase": "reading\n+ netbase 6.6",
    "extract hello": "+ hello 3",
    "install hello": "+ hello 3",
}


def test_a_first_record_asks_for_everything_in_one_container(small: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(monkeypatch, NEWEST)
    made = complete(engine, small, small.first, small.images, silent, before=Record(), anew=False, build=True)
    assert engine.asked == ["installed", "upgrade", "install netbase", "extract hello", "install hello"]
    assert made.base == {"libc6": "1"}
    assert made.answers["install netbase"] == {"netbase": "6.6"}
    assert engine.made == [(BaseImage(small.base).reference, False)]
    assert complete(engine, small, small.first, small.images, silent, before=made, anew=False, build=True) is made


def test_the_container_gets_the_proxies_of_the_host_and_no_password_is_on_its_command_line(
    small: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://user:word@proxy.example.org:3128")
    engine = Engine(monkeypatch, NEWEST)
    complete(engine, small, small.first, small.images, silent, before=Record(), anew=False, build=True)
    assert "--env=http_proxy" in engine.options
    assert engine.env["http_proxy"] == "http://user:word@proxy.example.org:3128"
    assert "user:word" not in "".join(engine.options)


def test_only_what_has_no_answer_is_asked_for_in_the_recorded_base(
    small: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(monkeypatch, NEWEST)
    answers = {key: value for key, value in RECORD.answers.items() if key != "install hello"}
    before = Record(RECORD.base, answers)
    made = complete(engine, small, small.first, ["app-agent", "db"], silent, before=before, anew=False, build=True)
    assert engine.asked == ["install hello"]
    assert made == Record(RECORD.base, {**answers, "install hello": {"hello": "3"}})
    assert engine.made == [(BaseImage(small.base, RECORD.base).reference, False)]


@pytest.mark.parametrize(("build", "base", "made"), [(True, "2", 2), (False, "1.1", 1)])
def test_refresh_makes_an_outdated_base_again_and_tells_what_changed(
    small: Catalogue, monkeypatch: pytest.MonkeyPatch, build: bool, base: str, made: int
) -> None:
    engine = Engine(monkeypatch, {**NEWEST, "upgrade": "+ libc6 1.1"})
    told: list[Event] = []
    before = Record({"libc6": "1"}, {**RECORD.answers, "install old": {"old": "1"}})
    after = complete(engine, small, small.first, small.images, told.append, before=before, anew=True, build=build)
    assert after.base == {"libc6": base}
    assert "install old" not in after.answers
    assert len(engine.made) == made
    assert [each.message for each in told if each.kind == "note"] == [
        "hello 2.10-5 -> 3: app-agent, db",
        f"libc6 1 -> {base}: base",
        "libc6 2.41-12 -> none: app",
        "libc6 2.41-12+deb13u1 -> none: db",
        "netbase 6.5 -> 6.6: app",
    ]


def test_what_cannot_be_found_is_told_with_the_images_that_want_it(
    small: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(monkeypatch, {"installed": "", "upgrade": ""})
    with pytest.raises(mirror.BuildError) as caught:
        complete(engine, small, small.first, small.images, silent, before=Record(), anew=False, build=True)
    assert caught.value.message.splitlines() == [
        "app could not be built: Debian packages: netbase",
        "  install netbase",
        "  | E: Unable to locate package",
        "  it blocks app-api, app-agent",
    ]
    assert caught.value.hint == "the suite has no such package: correct `packages`"
