"""What brings a site back after a reboot."""

import configparser
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from fakes import FakeHost
from stackyard.deploy import boot
from stackyard.effects import host
from stackyard.effects.host import Host


def entry(text: str, section: str, key: str) -> str:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment]
    parser.read_string(text)
    return parser[section][key]


def test_the_unit_runs_up_with_the_site_and_the_state_that_were_given(tmp_path: Path) -> None:
    text = boot.unit("demo", "demo", None)
    program, *words = shlex.split(entry(text, "Service", "ExecStart"))
    assert words == ["up", "--site", "demo"]
    assert os.access(program, os.X_OK)
    assert "STACKYARD_STATE" not in text
    text = boot.unit("lab", str(tmp_path / "100% mine.yaml"), "/srv/state")
    assert shlex.split(entry(text, "Service", "ExecStart"))[-1] == str(tmp_path / "100%% mine.yaml")
    assert entry(text, "Service", "Environment") == "STACKYARD_STATE=/srv/state"


def test_a_relative_file_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shlex.split(entry(boot.unit("lab", "./lab.yaml", None), "Service", "ExecStart"))[-1] == str(
        tmp_path / "lab.yaml"
    )


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    for number, state in enumerate((None, "/srv/my $tate")):
        file = tmp_path / f"stackyard-{number}.service"
        file.write_text(boot.unit("demo", "demo", state))
        checked = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(file)],
            capture_output=True,
            text=True,
            check=False,
        )
        said = [line for line in (checked.stdout + checked.stderr).splitlines() if file.name in line]
        assert said == []


def test_it_is_written_once_and_goes_with_the_site() -> None:
    fake = FakeHost()
    assert boot.enable(fake, "demo", "demo")
    assert not boot.enable(fake, "demo", "demo")
    assert list(fake.units) == ["stackyard-demo.service"]
    boot.disable(fake, "demo")
    assert fake.units == {}


def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[list[str]] = []
    monkeypatch.setattr(host, "UNITS", tmp_path)
    monkeypatch.setattr(host, "run", lambda argv, **_options: told.append(argv))
    monkeypatch.setattr(host, "SYSTEMD", tmp_path / "none")
    assert not Host.local().write_unit("a.service", "text")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(host, "SYSTEMD", tmp_path)
    assert Host.local().write_unit("a.service", "text")
    assert not Host.local().write_unit("a.service", "text")
    assert told == [["systemctl", "daemon-reload"], ["systemctl", "enable", "--quiet", "a.service"]]
    Host.local().remove_unit("a.service")
    assert list(tmp_path.iterdir()) == []
