"""`build --plan`: the plan, where things come from, and what keeps it from being done."""

import json
from pathlib import Path

import pytest

from fakes import INFO, FakeEngine, FakeHost
from stackyard import cli

SMALL = Path(__file__).parents[1] / "images" / "catalogue"


def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **told: object) -> int:
    monkeypatch.setenv("STACKYARD_CATALOGUE", str(SMALL))
    host = FakeHost(
        FakeEngine({"info": json.dumps(INFO | told), "image inspect": (1, "No such image")}), tmp_path / "state"
    )
    with pytest.raises(SystemExit) as caught:
        cli.main(["build", "--plan", "--site", str(SMALL / "sites" / "small.yaml")], host)
    assert not (tmp_path / "state").exists()
    return int(str(caught.value.code))


def test_a_plan_says_where_things_come_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("https_proxy", "http://me:word@proxy.example.org:3128")
    monkeypatch.setenv("STACKYARD_DEBIAN_MIRROR", "http://mirror.example.org/debian")
    assert planned(tmp_path, monkeypatch) == 0
    out, err = capsys.readouterr()
    assert "build  app " in out
    assert "http://********@proxy.example.org:3128" in err
    assert "package index: " in err
    assert "Debian mirror: http://mirror.example.org/debian" in err
    assert "refused" not in err
    assert "word" not in out + err


def test_a_plan_is_shown_with_what_keeps_it_from_being_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert planned(tmp_path, monkeypatch, Architecture="aarch64", SecurityOptions=["name=rootless"]) == 2
    out, err = capsys.readouterr()
    assert "build  app " in out
    assert "`stackyard up` will be refused here: the Docker engine is rootless" in err
    assert "\nerror: the Docker engine is for linux/aarch64: images are made for linux/amd64 only yet\n" in err
