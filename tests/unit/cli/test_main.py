"""The frame of the command line: what it says and exits with."""

import errno
import json
from pathlib import Path

import pytest

from stackyard import cli
from stackyard.catalogue import open_site
from stackyard.catalogue.container import container_json
from stackyard.entrypoint.container import Container
from stackyard.entrypoint.explain import as_text

GOOD = Path(__file__).parents[1] / "catalogue" / "good" / "catalogue"


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACKYARD_CATALOGUE", str(GOOD))
    monkeypatch.setenv("COLUMNS", "100")


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    return int(str(caught.value.code))


def test_help_lists_every_command_with_its_first_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    text = capsys.readouterr().out
    for name in cli.stackyard.list_commands(None):  # type: ignore[arg-type]
        assert f"  {name} " in text
    assert "Show the environment variables that an image takes" in text


def test_every_command_can_be_imported() -> None:
    for name in cli.stackyard.list_commands(None):  # type: ignore[arg-type]
        command = cli.stackyard.get_command(None, name)  # type: ignore[arg-type]
        assert command
        assert command.help


def test_mistyped_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explian") == 2
    assert "did you mean explain?" in capsys.readouterr().err
    assert run("upp") == 2
    assert "there is no command upp: there are build, down, " in capsys.readouterr().err


def test_error_with_hint_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", "app-apy", "--site", "small") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error: app-apy is not in the structure of release 1.0 with blue\nhint: did you mean app-api?\n"


def test_explain_is_what_the_image_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", "app-api", "--site", "small") == 0
    container = Container(container_json(open_site("small")[1], "app-api"), "")
    assert capsys.readouterr().out == as_text(container)


def test_explain_one_variable(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", "app-api", "WORKERS", "--site", "small", "--output", "json") == 0
    assert json.loads(capsys.readouterr().out)["default"] == 4


def test_explain_of_unknown_variable(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", "app-api", "WORKRES", "--site", "small") == 2
    assert "did you mean WORKERS?" in capsys.readouterr().err


def test_schema(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run("schema", "structure") == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Structure"
    assert run("schema", "--write", str(tmp_path)) == 0
    assert (tmp_path / "site.json").is_file()


def test_no_catalogue(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("STACKYARD_CATALOGUE", "/nonexistent")
    assert run("explain", "app-api", "--site", "small") == 2
    assert capsys.readouterr().err.startswith(
        "error: STACKYARD_CATALOGUE is /nonexistent: no catalogue is there\nhint:"
    )


def test_what_the_host_refuses(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/state/file")

    monkeypatch.setattr("stackyard.catalogue.open_site", full)
    monkeypatch.setattr("stackyard.cli.explain.open_site", full, raising=False)
    assert run("explain", "app-api") == 1
    assert capsys.readouterr().err.startswith("error: /state/file: No space left on device\nhint: make room")


def test_interrupt(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("stackyard.catalogue.open_site", interrupted)
    monkeypatch.setattr("stackyard.cli.explain.open_site", interrupted, raising=False)
    assert run("explain", "app-api") == 130
    assert "the same command continues" in capsys.readouterr().err
