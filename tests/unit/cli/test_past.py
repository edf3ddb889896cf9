"""Images of the past, by each command that is given a name; structures of the past, and what a site does with them."""

import json
from functools import cache
from pathlib import Path

import pytest

from fakes import FakeEngine, FakeHost
from stackyard import cli
from stackyard.catalogue import catalogue_root, load, open_site

FOREIGN = load(catalogue_root(), "2026.2", "ovn").foreign
NAMES = list(FOREIGN.images)
OPENED = cache(open_site)
"""Reads a site once."""

STRUCTURE = "version: mytag\ncontainers:\n  nova: [api, cert]\n  cinder:\n"


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(FakeEngine({"image inspect": (1, "No such image")}), tmp_path / "state")


def run(host: FakeHost, *words: str) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main(words, host)
    return int(str(caught.value.code))


@pytest.fixture(autouse=True)
def _read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for command in ("show", "explain", "build"):
        monkeypatch.setattr(f"stackyard.cli.{command}.open_site", OPENED)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "words", [("show",), ("explain",), ("build", "--plan", "--container")], ids=lambda words: words[0]
)
def test_an_image_of_the_past_is_explained_by_each_command(
    words: tuple[str, ...],
    name: str,
    host: FakeHost,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(host, *words, name) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith(f"hint: {FOREIGN.explained(name)}\n")
    assert "did you mean" not in err


def test_a_plan_of_a_structure_of_the_past(
    host: FakeHost, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text(STRUCTURE, encoding="utf-8")
    assert run(host, "build", "--plan", "--output", "json", "s.yaml") == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert {each["image"] for each in told["images"]} == {"nova", "nova-api", "cinder"}
    assert {each["reference"].rpartition(":")[2] for each in told["images"]} == {"mytag"}
    assert [note.split(":")[2].strip() for note in told["notes"]] == ["nova-cert"]
    assert all(f"note: {note}\n" in err for note in told["notes"])
    assert "note: site demo runs tag 2026.2; `structure: s.yaml` in its file makes it run mytag\n" in err
