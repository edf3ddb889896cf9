"""Files of images: where they are, when they are read again, and what is left behind when they cannot be had."""

import functools
import hashlib
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes import FakeEngine, FakeHost
from stackyard.catalogue import open_site
from stackyard.deploy import image_files
from stackyard.effects import download
from stackyard.errors import InputError
from stackyard.events import Event, silent
from stackyard.model.site import Site

SITE, CATALOGUE = open_site("demo")
CONTENT = b"an image\n" * 1000
SUM = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _no_guest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guest is another matter, and takes a network."""
    monkeypatch.setattr(image_files.guest, "ensure", lambda *_: None)


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(FakeEngine(), tmp_path / "state")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "image.raw"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def url(file: Path) -> Iterator[str]:
    """A server of the file's folder."""
    handler = functools.partial(Quiet, directory=str(file.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Says nothing of what it is asked; `/short` ends before all that it promises is there."""

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.path != "/short":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:100])


def site(**image: object) -> Site:
    given = SITE.model_dump(mode="json") | {"contents": {"images": {"mine": image}}}
    return Site.model_validate(given)


def fetch(host: FakeHost, wanted: Site, report: Any = silent) -> Path:
    files = image_files.image_files(host, wanted, CATALOGUE)
    image_files.fetch(host, wanted, CATALOGUE, files, report)
    return Path(files["mine"].path)


def test_a_file_is_copied_where_every_user_can_read_it(host: FakeHost, file: Path) -> None:
    file.chmod(0o600)
    made = fetch(host, site(file=str(file)))
    assert made == host.state / "images" / SUM
    assert made.read_bytes() == CONTENT
    assert made.stat().st_mode & 0o777 == 0o644


def test_a_url_is_fetched_once(host: FakeHost, url: str) -> None:
    told: list[Event] = []
    wanted = site(url=f"{url}/image.raw", sha256=SUM)
    made = fetch(host, wanted, told.append)
    assert made.read_bytes() == CONTENT
    assert [each.kind for each in told] == ["started", "done"]
    fetch(host, wanted, told.append)
    assert len(told) == 2


def test_a_file_is_another_when_it_changes(host: FakeHost, file: Path) -> None:
    first = fetch(host, site(file=str(file)))
    file.write_bytes(CONTENT + b"more")
    assert fetch(host, site(file=str(file))) != first


def test_a_file_is_read_again_only_when_it_changed(host: FakeHost, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    real = download.sha256
    monkeypatch.setattr(download, "sha256", lambda path: read.append(path) or real(path))
    for _ in range(2):
        image_files.image_files(host, site(file=str(file)), CATALOGUE)
    assert read == [file]
    os.utime(file, (1, 1))
    image_files.image_files(host, site(file=str(file)), CATALOGUE)
    assert read == [file, file]


def test_a_file_that_is_gone_counts_as_it_was_once_it_is_kept(host: FakeHost, file: Path) -> None:
    wanted = site(file=str(file))
    image_files.image_files(host, wanted, CATALOGUE)
    file.rename(file.with_suffix(".aside"))
    with pytest.raises(InputError, match=r"contents.images.mine.file: .*image.raw: No such file or directory"):
        image_files.image_files(host, wanted, CATALOGUE)
    file.with_suffix(".aside").rename(file)
    kept = fetch(host, wanted)
    file.unlink()
    assert fetch(host, wanted) == kept


def test_a_file_that_changes_while_it_is_copied_is_not_kept(host: FakeHost, file: Path) -> None:
    files = image_files.image_files(host, site(file=str(file)), CATALOGUE)
    file.write_bytes(CONTENT + b"more")
    with pytest.raises(InputError, match="and not") as caught:
        image_files.fetch(host, site(file=str(file)), CATALOGUE, files, silent)
    assert caught.value.hint == "it was changed meanwhile: run this again"
    assert not Path(files["mine"].path).exists()


def test_a_file_of_another_checksum_is_refused(host: FakeHost, file: Path) -> None:
    with pytest.raises(InputError, match=f"has the SHA-256 sum {SUM}, and not {'0' * 64}"):
        image_files.image_files(host, site(file=str(file), sha256="0" * 64), CATALOGUE)


@pytest.mark.parametrize(
    ("path", "checksum", "message"),
    [
        ("/image.raw", "0" * 64, f"image mine: .* has the SHA-256 sum {SUM}, and not 0000"),
        ("/nothing", SUM, "image mine: .*/nothing answers 404"),
        ("/short", SUM, f"image mine: .*/short does not answer: it ended after 100 of {len(CONTENT)} bytes"),
    ],
)
def test_what_cannot_be_had_leaves_nothing_behind(
    host: FakeHost, url: str, path: str, checksum: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        fetch(host, site(url=f"{url}{path}", sha256=checksum))
    assert [each.name for each in (host.state / "images").iterdir()] == [".lock"]


def test_a_server_that_is_not_there(host: FakeHost) -> None:
    with pytest.raises(InputError, match="does not answer: Connection refused"):
        fetch(host, site(url="http://127.0.0.1:9/image.raw", sha256=SUM))


def test_what_a_killed_download_left_is_replaced(host: FakeHost, url: str) -> None:
    folder = host.state / "images"
    folder.mkdir(parents=True)
    (folder / f".{SUM}.part").write_bytes(b"half")
    fetch(host, site(url=f"{url}/image.raw", sha256=SUM))
    assert sorted(each.name for each in folder.iterdir()) == [".lock", SUM]
