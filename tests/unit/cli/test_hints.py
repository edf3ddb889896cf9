"""Hints name commands that are about the same site, and that there are."""

import ast
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from fakes import FakeEngine, FakeHost
from resolved_sites import TOY
from stackyard import cli
from stackyard.cli import verify
from stackyard.cli._options import for_site
from stackyard.verify.cloud import KINDS
from stackyard.verify.outcome import Check, Outcome

SOURCE = Path(cli.__file__).parents[1]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the toy site without a registry, in a catalogue of its own, in a folder with a blank in its name."""
    shutil.copytree(TOY, tmp_path / "cata logue")
    monkeypatch.setenv("STACKYARD_CATALOGUE", str(tmp_path / "cata logue"))
    made = tmp_path / "cata logue" / "sites" / "toy.yaml"
    made.write_text(made.read_text().replace("registry: toy.test", 'registry: ""'))
    return made


def run(host: FakeHost, *words: object) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main([str(word) for word in words], host)
    return int(str(caught.value.code))


def commands() -> dict[str, click.Command]:
    context = click.Context(cli.stackyard)
    found = {name: cli.stackyard.get_command(context, name) for name in cli.stackyard.list_commands(context)}
    return {name: command for name, command in found.items() if command}


def test_every_command_that_is_about_a_site_gets_it() -> None:
    for name, command in commands().items():
        takes = any("--site" in parameter.opts for parameter in command.params)
        told = f"stackyard {name} --site 'a b.yaml' X" if takes else f"stackyard {name} X"
        assert for_site(f"stackyard {name} X", "a b.yaml") == told
        assert for_site(f"stackyard {name} X", "demo") == f"stackyard {name} X"


def test_what_is_no_command_is_left_alone() -> None:
    for text in (
        "waits for stackyard up, process 17",
        "stackyard: bootstrap step",
        "run stackyard upside",
        "stackyard 1",
    ):
        assert for_site(text, "other.yaml") == text


ERRORS = {
    "logs": "stackyard up --site {site}",
    "env": "stackyard up --site {site}",
    "verify": "stackyard up --site {site}",
    "up": "stackyard build --site {site}",
}


@pytest.mark.parametrize("verb", ERRORS)
def test_the_hint_of_an_error_is_about_the_site_that_was_given(
    verb: str, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(FakeHost(FakeEngine(), tmp_path / "state"), verb, "--site", file) == 2
    assert ERRORS[verb].format(site=shlex.quote(str(file))) in capsys.readouterr().err


def test_so_is_each_of_several_problems(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    host = FakeHost(FakeEngine(), tmp_path / "state", taken=None)
    assert run(host, "up", "--site", file) == 2
    out = capsys.readouterr().err
    assert re.match(r"error: \d problems\n", out)
    assert f"stackyard build --site {shlex.quote(str(file))})" in out


def test_so_is_the_plan(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(FakeHost(FakeEngine(), tmp_path / "state"), "up", "--plan", "--site", file)
    assert f"make it with stackyard build --site {shlex.quote(str(file))}" in capsys.readouterr().out


@pytest.mark.parametrize("output", ["text", "json"])
def test_so_is_the_proof(
    output: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = Check("boot", "failed", message="it does not", hint="`stackyard logs` tells")
    monkeypatch.setattr(verify, "verify", lambda *_, **__: Outcome("toytest", "run", (failed,), 1.0))
    monkeypatch.setattr(verify, "hosts", lambda _resolved: ())
    monkeypatch.setattr(verify, "target", lambda *_: SimpleNamespace(credentials={}, urls=()))
    monkeypatch.setattr(verify, "guest", SimpleNamespace(ensure=lambda *_: None))
    monkeypatch.setattr(verify, "Api", lambda *_: None)
    host = FakeHost(FakeEngine(), tmp_path / "state")
    (tmp_path / "state/sites/toytest").mkdir(parents=True)
    (tmp_path / "state/sites/toytest/secrets.json").write_text('{"version": 1, "secrets": {}}')
    assert run(host, "verify", "--site", file, "--output", output) == 1
    assert f"`stackyard logs --site {shlex.quote(str(file))}` tells" in capsys.readouterr().out


def test_cleaning_ends_captures_that_were_left_too(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "Api", lambda *_: SimpleNamespace(url=lambda *_: "", call=nothing))
    engine = FakeEngine({"ps --all --quiet --filter name=^stackyard-verify-mine-toytest-": "1 2"})
    (tmp_path / "state/sites/toytest").mkdir(parents=True)
    (tmp_path / "state/sites/toytest/secrets.json").write_text('{"version": 1, "secrets": {}}')
    assert run(FakeHost(engine, tmp_path / "state"), "verify", "--clean", "--tag", "mine", "--site", file) == 0
    assert ["rm", "--force", "1", "2"] in engine.calls


def nothing(*_: object, **__: object) -> dict[str, list[object]]:
    return {each.key: [] for each in KINDS.values()}


def texts() -> Iterator[str]:
    """Each string of the tool that names a command in backquotes, docstrings apart."""
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
                yield from re.findall(r"`stackyard ([^`{]+)`", node.value)


def test_commands_that_texts_name_can_be_given_so() -> None:
    """With options and arguments that they have; NODE stands for a name."""
    found = set(texts())
    assert {"status", "logs --node NODE", "verify --clean"} <= found
    for text in found:
        name, *words = text.split()
        words += ["FILE"] if name in {"save", "load"} and not words else []
        command = commands()[name]
        command.make_context(name, words, obj=None)


def test_only_one_place_writes_the_site_into_a_command() -> None:
    assert [path.name for path in SOURCE.rglob("*.py") if "--site {" in path.read_text()] == ["_options.py"]
