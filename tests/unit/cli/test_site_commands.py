"""`status`, `logs`, `down` and `env` of a site whose file is wrong: they tell and do what they can."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes import INFO, FakeEngine, FakeHost, inspected, showing
from resolved_sites import TOY
from stackyard import cli
from stackyard.secrets import Secrets, save

BROKEN: dict[str, Callable[[str], str]] = {
    "a key that nobody knows": lambda text: f"colour: blue\n{text}",
    "a release that is gone": lambda text: text.replace('release: "1"', 'release: "0"'),
    "not YAML": lambda text: f"{text}\n  : [",
    "a node without a role": lambda text: text.replace("[compute]", "[]"),
}
SITE = [inspected("toytest", "two", "late"), inspected("toytest", "one", "node"), inspected("toytest", "one", "echo")]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the toy site, in a catalogue of its own."""
    shutil.copytree(TOY, tmp_path / "catalogue")
    monkeypatch.setenv("STACKYARD_CATALOGUE", str(tmp_path / "catalogue"))
    return tmp_path / "catalogue" / "sites" / "toy.yaml"


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(FakeEngine(showing(*SITE)), tmp_path / "state", unknown=frozenset({"gone.invalid"}))


def run(host: FakeHost, *words: object) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main([str(word) for word in words], host)
    return int(str(caught.value.code))


def rows(printed: str) -> list[tuple[str, str, str]]:
    return [(row["node"], row["container"], row["ready"]) for row in json.loads(printed)]


@pytest.mark.parametrize("broken", BROKEN)
def test_status_of_a_broken_site_is_what_the_engine_has(
    broken: str, file: Path, host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(BROKEN[broken](file.read_text()))
    assert run(host, "status", "--site", file, "--output", "json") == 1
    out, err = capsys.readouterr()
    assert rows(out) == [("one", "(node)", "unknown"), ("one", "echo", "unknown"), ("two", "late", "unknown")]
    assert {row["image"] for row in json.loads(out)} == {"toy.test/echo:1"}
    assert re.fullmatch(r"note: .* ready, cannot be told: .*toy\.yaml:\d+: .*\n", err)


def test_status_of_a_broken_site_that_is_not_here_is_the_error(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(BROKEN["not YAML"](file.read_text()))
    assert run(FakeHost(FakeEngine(), tmp_path), "status", "--site", file) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")


def test_a_site_without_its_file_is_known_by_its_name(
    file: Path, host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    file.unlink()
    assert run(host, "status", "--site", "toytest") == 1
    assert capsys.readouterr().out.splitlines()[1].split()[:4] == ["one", "(node)", "running", "unknown"]
    assert run(FakeHost(FakeEngine()), "status", "--site", "toytest") == 2
    assert "there is no site toytest" in capsys.readouterr().err


def test_a_name_that_no_longer_resolves_hides_neither_status_nor_credentials(
    file: Path, host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(file.read_text() + "settings: {UPSTREAM: gone.invalid}\n")
    run(host, "status", "--site", file, "--output", "json")
    out, err = capsys.readouterr()
    assert ("one", "(node)", "yes") in rows(out)
    assert err == ""
    save(host.state / "sites" / "toytest" / "secrets.json", Secrets())
    assert run(host, "env", "--site", file) == 0
    assert "OS_AUTH_URL" in capsys.readouterr().out
    assert run(host, "up", "--plan", "--site", file) == 2
    assert "settings.UPSTREAM: gone.invalid does not resolve" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("rootless", "the Docker engine is rootless"),
        ("userns", "the Docker engine puts containers into a user namespace"),
    ],
)
def test_a_plan_is_shown_with_what_keeps_it_from_being_done(
    option: str, words: str, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = FakeEngine({"info": json.dumps(INFO | {"SecurityOptions": [f"name={option}"]}), "image ls": ""})
    for arguments, shown in ((["up", "--plan"], "create"), (["up"], "")):
        assert run(FakeHost(engine, tmp_path / "state"), *arguments, "--site", file) == 2
        out, err = capsys.readouterr()
        assert shown in out
        assert words in err
    assert not (tmp_path / "state").exists()
    assert {call[0] for call in engine.calls} <= {"ps", "network", "image", "info"}


def test_a_password_that_the_site_gives_is_the_one_of_env_and_in_no_plan(
    file: Path, host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(file.read_text() + "settings: {TOKEN: contrail123}\n")
    save(host.state / "sites" / "toytest" / "secrets.json", Secrets({"echo/token": "another"}))
    assert run(host, "env", "--site", file) == 0
    assert "export OS_PASSWORD=contrail123\n" in capsys.readouterr().out
    for output in ("text", "json"):
        run(host, "up", "--plan", "--site", file, "--output", output)
        printed = "".join(capsys.readouterr())
        assert "echo" in printed
        assert "contrail123" not in printed


@pytest.mark.parametrize("broken", BROKEN)
def test_logs_and_down_need_only_the_name(
    broken: str, file: Path, host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(BROKEN[broken](file.read_text()))
    assert run(host, "logs", "echo", "--site", file) == 0
    assert capsys.readouterr().out == "a line\n"
    host.engine.calls.clear()
    assert run(host, "down", "--site", file) == 0
    assert "site toytest is down" in capsys.readouterr().out
    assert [call for call in host.engine.calls if call[0] in {"stop", "rm"}] == [
        ["stop", "toytest-two-late", "toytest-one-echo"],
        ["rm", "--force", "toytest-two-late", "toytest-one-echo"],
        ["stop", "toytest-one"],
        ["rm", "--force", "toytest-one"],
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ecco"], "there is no container ecco\nhint: did you mean echo?"),
        (["echo", "--node", "two"], "there is no container echo on two\nhint: it is on one"),
        (["echo", "--node", "three"], "there is no node three here\nhint: there are: one, two"),
        (["ecco", "--node", "two"], "there is no container ecco\nhint: did you mean echo?"),
    ],
)
def test_logs_of_what_is_not_there(
    words: list[str], said: str, file: Path, host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(host, "logs", *words, "--site", file) == 2
    assert capsys.readouterr().err == f"error: {said}\n"


def test_down_of_a_name_that_is_nowhere_is_refused(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(FakeHost(FakeEngine()), "down", "--site", f"{file.stem}s") == 2
    assert "did you mean toy?" in capsys.readouterr().err
