"""A site is saved in one file, and is a site again from it: on an engine that has nothing, or under another name."""

import json
import os
import signal
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from second import Second, second_engine
from tool import PROGRAM, Outcome, Tool
from toy import engine
from waiting import NotYet, wait_for

pytestmark = pytest.mark.engine

OTHER = "pullother"
HOLE = 1 << 30
"""Bytes of a file that has no contents but for its end."""
WRITE = (
    f"open('/data/mine', 'w').write('kept'); f = open('/data/holes', 'wb'); f.seek({HOLE}); f.write(b'x'); f.close()"
)
READ = (
    "import os; s = os.stat('/data/holes'); print(open('/data/mine').read(), s.st_uid, s.st_size, s.st_blocks < 1000)"
)
KEPT = f"kept 2901 {HOLE + 1} True"


@dataclass(frozen=True)
class Saved:
    """The site on the first engine, and the file that it was saved in, with a passphrase."""

    second: Second
    file: Path
    passphrase: Path
    told: Outcome

    def load(self, *arguments: str, file: Path | None = None, check: bool = True) -> Outcome:
        """Load it on the first engine."""
        words = ("--passphrase-file", str(self.passphrase), *arguments)
        return self.second.first("load", str(file or self.file), *words, check=check)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Saved]:
    folder = tmp_path_factory.mktemp("save")
    with second_engine(folder) as second:
        passphrase = folder / "passphrase"
        passphrase.write_text("correct horse\n")
        try:
            second.build()
            second.first("up", "--site", str(second.site))
            engine("exec", "pulltest-one-echo", "/usr/bin/python3", "-c", WRITE)
            file = folder / "site.saved"
            told = second.first(
                *("save", str(file), "--site", str(second.site), "--passphrase-file", str(passphrase)),
                *("--output", "json"),
            )
            yield Saved(second, file, passphrase, told)
        finally:
            for name in (str(second.site), OTHER):
                second.first("down", "--volumes", "--site", name, check=False)


def reads(name: str) -> str:
    return engine("exec", name, "/usr/bin/python3", "-c", READ).strip()


def secrets(saved: Saved, site: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((saved.second.folder / f"state/sites/{site}/secrets.json").read_text())[
        "secrets"
    ]
    return found


def containers(site: str) -> set[str]:
    form = "{{.Names}} {{.ID}}"
    return set(engine("ps", "--filter", f"label=stackyard.site={site}", "--format", form).splitlines())


def volumes(site: str) -> list[str]:
    return engine("volume", "ls", "-q", "--filter", f"label=stackyard.site={site}").split()


def test_the_file_is_for_its_owner_and_the_site_runs_again(saved: Saved) -> None:
    assert saved.file.stat().st_mode & 0o777 == 0o600
    assert saved.told.json["runs"] is True
    assert saved.told.json["bytes"] == saved.file.stat().st_size
    assert reads("pulltest-one-echo") == KEPT
    again = saved.second.first("up", "--site", str(saved.second.site))
    assert again.stdout.startswith("nothing to do")


def test_nothing_of_it_can_be_read_without_the_passphrase(saved: Saved) -> None:
    with tarfile.open(saved.file) as archive:
        names = archive.getnames()
        assert all(name == "stackyard.json" or name.endswith(".age") for name in names)
        head = archive.extractfile("stackyard.json")
        assert head is not None
        assert json.load(head)["encrypted"] is True
    token = secrets(saved, "pulltest")["echo/token"]
    assert token.encode() not in saved.file.read_bytes()


def test_it_is_a_site_again_on_an_engine_that_has_nothing(saved: Saved) -> None:
    """Its images are in no registry."""
    second = saved.second
    assert second.names() == set()
    place = second.folder / "elsewhere"
    place.mkdir()
    words = ("--passphrase-file", str(saved.passphrase), "--folder", str(place), "--output", "json")
    loaded = second.sh(str(PROGRAM), "load", str(saved.file), *words).json
    assert loaded["site"] == "pulltest"
    assert yaml.safe_load(Path(loaded["reference"]).read_text()) == yaml.safe_load(second.site.read_text())
    second.sh(str(PROGRAM), "up", "--site", loaded["reference"])
    inside = ("docker", "exec", "pulltest-one-echo", "/usr/bin/python3", "-c")
    assert second.sh(*inside, READ).stdout.strip() == KEPT
    theirs = json.loads(second.sh("cat", "/var/lib/stackyard/sites/pulltest/secrets.json").stdout)["secrets"]
    assert theirs == secrets(saved, "pulltest")
    second.sh(str(PROGRAM), "down", "--volumes", "--site", loaded["reference"])


def test_under_another_name_it_has_what_is_its_own(saved: Saved, tmp_path: Path) -> None:
    before = containers("pulltest")
    loaded = saved.load("--as", OTHER, "--folder", str(tmp_path), "--output", "json").json
    file = Path(loaded["reference"])
    site, origin = yaml.safe_load(file.read_text()), yaml.safe_load(saved.second.site.read_text())
    assert site["site"] == OTHER
    assert not set(site["networks"].values()) & set(origin["networks"].values())
    assert site["publish"] != origin["publish"]
    saved.second.first("up", "--site", str(file))
    assert reads(f"{OTHER}-one-echo") == KEPT
    ours, theirs = secrets(saved, OTHER), secrets(saved, "pulltest")
    assert ours.keys() == theirs.keys()
    assert not set(ours.values()) & set(theirs.values())
    assert containers("pulltest") == before
    assert saved.second.first("up", "--site", str(file)).stdout.startswith("nothing to do")
    again = saved.load("--as", OTHER, "--folder", str(tmp_path), check=False)
    assert again.code == 2
    assert f"there is a site {OTHER} here already" in again.stderr
    saved.second.first("down", "--volumes", "--site", str(file))


def test_a_load_that_was_killed_begins_anew(saved: Saved, tmp_path: Path) -> None:
    words = ("--as", OTHER, "--folder", str(tmp_path), "--passphrase-file", str(saved.passphrase))
    process = Tool().start("load", str(saved.file), *words, **saved.second.env)

    def begun() -> None:
        if not volumes(OTHER):
            raise NotYet("no volumes")

    wait_for("the load to make volumes", begun, 60, 0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    file = tmp_path / f"{OTHER}.yaml"
    assert not file.exists()
    saved.load(*words[:4])
    saved.second.first("up", "--site", str(file))
    assert reads(f"{OTHER}-one-echo") == KEPT
    saved.second.first("down", "--volumes", "--site", str(file))


def test_a_save_that_was_killed_leaves_a_site_that_up_brings_back(saved: Saved, tmp_path: Path) -> None:
    target = tmp_path / "killed.saved"
    process = Tool().start("save", str(target), "--site", str(saved.second.site), **saved.second.env)

    def down() -> None:
        if containers("pulltest"):
            raise NotYet("it runs")

    wait_for("the site to be down", down, 60, 0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not target.exists()
    time.sleep(1)  # what it started ends with it
    saved.second.first("up", "--site", str(saved.second.site))
    assert reads("pulltest-one-echo") == KEPT
    saved.second.first("save", str(target), "--site", str(saved.second.site), "--down")
    assert [path.name for path in tmp_path.iterdir()] == ["killed.saved"]
    assert not containers("pulltest")
    saved.second.first("up", "--site", str(saved.second.site))


@pytest.mark.parametrize("how", ["passphrase", "cut short", "changed", "another file"])
def test_what_cannot_be_loaded_touches_nothing(saved: Saved, tmp_path: Path, how: str) -> None:
    file, passphrase, data = tmp_path / "bad.saved", saved.passphrase, bytearray(saved.file.read_bytes())
    if how == "passphrase":
        passphrase = tmp_path / "wrong"
        passphrase.write_text("wrong\n")
    elif how == "cut short":
        del data[len(data) // 2 :]
    elif how == "changed":
        with tarfile.open(saved.file) as archive:
            entry = archive.getmember("volumes.tar.zst.age")
        data[entry.offset_data + entry.size - 20] ^= 1
    else:
        data[:] = b"not a site" * 1000
    file.write_bytes(data)
    told = saved.second.first(
        *("load", str(file), "--as", OTHER, "--folder", str(tmp_path), "--passphrase-file", str(passphrase)),
        check=False,
    )
    assert told.code in {1, 2}, str(told)
    assert {
        "passphrase": "that is not its passphrase",
        "cut short": "is damaged",
        "changed": "is damaged",
        "another file": "is not a saved site",
    }[how] in told.stderr
    assert "Traceback" not in told.stderr
    assert not volumes(OTHER)
    assert not (saved.second.folder / "state/sites" / OTHER).exists()
    assert {path.name for path in tmp_path.iterdir()} <= {"bad.saved", "wrong"}
