"""The file of a saved site, what makes another site of its site file, and how bad input is told."""

import io
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml

from fakes import FakeEngine, FakeHost
from stackyard import cli
from stackyard.catalogue import site_path
from stackyard.deploy.another import STEP, another
from stackyard.deploy.saved import HEAD, Reader, Writer, copy
from stackyard.deploy.state import SiteState
from stackyard.errors import InputError, StackyardError

BIG = bytes(range(256)) * 20000
SECRET = "a passphrase"  # noqa: S105


def write(file: Path, passphrase: str | None) -> Path:
    with file.open("wb+") as out:
        writer = Writer(out, {"site": "demo", "stackyard": "1"}, passphrase)
        with writer.stream("images.tar") as sink:
            copy(io.BytesIO(BIG), sink)
        with writer.stream("site.tar") as sink:
            sink.write(b"small")
        writer.close()
    return file


def opened(file: Path, passphrase: str | None) -> Reader:
    reader = Reader(file)
    if passphrase:
        reader.unlock(passphrase)
    return reader


def read(file: Path, passphrase: str | None) -> bytes:
    with opened(file, passphrase).stream("images.tar") as source:
        return source.read()


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An encrypted one; a passphrase costs a second on purpose."""
    return write(tmp_path_factory.mktemp("sealed") / "x", SECRET).read_bytes()


@pytest.mark.parametrize("passphrase", [None, SECRET], ids=["plain", "encrypted"])
def test_what_was_written_is_read_in_any_order(tmp_path: Path, passphrase: str | None) -> None:
    reader = opened(write(tmp_path / "x", passphrase), passphrase)
    assert reader.head["site"] == "demo"
    assert reader.encrypted == bool(passphrase)
    with reader.stream("site.tar") as source:
        assert source.read() == b"small"
    with reader.stream("images.tar") as source:
        assert source.read() == BIG


def test_other_programs_read_it(tmp_path: Path) -> None:
    file = write(tmp_path / "x", None)
    subprocess.run(["tar", "-xf", file, "-C", tmp_path], check=True)
    assert {path.name for path in tmp_path.iterdir()} == {"x", HEAD, "images.tar.zst", "site.tar.zst"}


@pytest.mark.parametrize("passphrase", [None, SECRET], ids=["plain", "encrypted"])
@pytest.mark.parametrize("how", ["changed", "cut short"])
def test_damage_is_seen(tmp_path: Path, passphrase: str | None, how: str) -> None:
    file = write(tmp_path / "x", passphrase)
    with tarfile.open(file) as archive:
        entry = next(each for each in archive if each.name.startswith("images.tar"))
    data = bytearray(file.read_bytes())
    middle = entry.offset_data + entry.size // 2
    if how == "changed":
        data[middle] ^= 1
    else:
        del data[middle:]
    file.write_bytes(data)
    with pytest.raises(StackyardError, match="is damaged"):
        read(file, passphrase)


def test_another_passphrase_is_refused(tmp_path: Path, sealed: bytes) -> None:
    (tmp_path / "x").write_bytes(sealed)
    with pytest.raises(InputError, match="not its passphrase"):
        opened(tmp_path / "x", "another")


def test_a_later_format_names_who_wrote_it(tmp_path: Path) -> None:
    file = tmp_path / "x"
    with tarfile.open(file, "w") as archive:
        data = b'{"format": 99, "stackyard": "7.0", "encrypted": false}'
        entry = tarfile.TarInfo(HEAD)
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    with pytest.raises(InputError, match="format 99") as caught:
        Reader(file)
    assert "7.0" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"hello", b"\0" * 4096], ids=["nothing", "a text", "zeros"])
def test_what_is_no_saved_site_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InputError, match="is not a saved site"):
        Reader(tmp_path / "x")


def test_another_site_has_networks_ports_and_addresses_of_its_own(tmp_path: Path) -> None:
    document = yaml.safe_load(site_path("demo").read_text())
    document["nodes"]["controller"]["management"] = "198.18.80.77"
    file = tmp_path / "other.yaml"
    file.write_text(yaml.safe_dump(document))
    another(FakeHost(FakeEngine({"network ls": ""}), tmp_path / "state"), file, "other")
    made = yaml.safe_load(file.read_text())
    assert made["site"] == "other"
    assert made["publish"]["offset"] == STEP
    networks = made["networks"]
    assert len(set(networks.values())) == len(networks)
    assert not set(networks.values()) & set(document["networks"].values())
    assert made["nodes"]["controller"]["management"] == networks["management"].replace(".0/24", ".77")


def test_it_needs_free_ports(tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_text(site_path("demo").read_text())
    host = FakeHost(FakeEngine({"network ls": ""}), tmp_path / "state", taken=None)
    with pytest.raises(InputError, match="no ports of this host are free"):
        another(host, file, "other")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("save", "none/x"), "there is no folder"),
        (("save", "x"), "there is nothing of the site demo here"),
        (("save", "x", "--encrypt"), "there is no terminal to ask for it"),
        (("save", "x", "--passphrase-file", "none"), "none: No such file"),
        (("save", "x", "--passphrase-file", "empty"), "has no passphrase"),
        (("load", "none"), "none: No such file"),
        (("load", "empty"), "is not a saved site"),
        (("load", "sealed"), "the archive needs a passphrase"),
        (("load", "sealed", "--as", "Not A Name"), "cannot be the name of a site"),
    ],
)
def test_bad_input_touches_nothing(  # noqa: PLR0917
    words: tuple[str, ...],
    message: str,
    sealed: bytes,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    (tmp_path / "empty").write_text("")
    (tmp_path / "sealed").write_bytes(sealed)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit) as caught:
        cli.main(words, FakeHost(FakeEngine({}), tmp_path / "state"))
    assert caught.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert sorted(tmp_path.rglob("*")) == before


def test_a_load_that_did_not_end_is_told_by_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    host = FakeHost(FakeEngine({}), tmp_path / "state")
    SiteState.of(host, "demo").begin_load()
    with pytest.raises(SystemExit) as caught:
        cli.main(("up",), host)
    assert caught.value.code == 2
    assert "the load of demo did not end" in capsys.readouterr().err
