"""Secrets that a site file names by a file."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from stackyard.catalogue import open_site, site_path
from stackyard.deploy.save import Save
from stackyard.effects.host import Host
from stackyard.errors import InputError
from stackyard.secrets import generate

KEY = generate("cephx")
KEYRING = f'[client.cinder]\n\tkey = {KEY}\n\tcaps mon = "profile rbd"\n'


def written(folder: Path, **keys: Any) -> str:
    """A site file, the demo with other keys."""
    file = folder / "demo.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(site_path("demo").read_text()), **keys}))
    return str(file)


def ceph(folder: Path, content: str | bytes, **more: str) -> str:
    """One whose volumes are in another Ceph, with the key in a file beside it."""
    (folder / "key").write_bytes(content.encode() if isinstance(content, str) else content)
    said = {"environment": {"CEPH_KEY_FILE": "key", **more}}
    settings = {"CEPH_MONITORS": "192.0.2.20"}
    return written(folder, containers={"cinder": True}, settings=settings, services={"cinder": said})


@pytest.mark.parametrize(
    "content", [KEY, f"{KEY}\n", KEYRING, KEYRING.replace("\n", "\r\n")], ids=["bare", "line", "keyring", "CRLF"]
)
def test_the_file_holds_the_key_or_is_a_keyring(tmp_path: Path, content: str) -> None:
    site, _ = open_site(ceph(tmp_path, content))
    assert site.services["cinder"].environment == {"CEPH_KEY": KEY}
    assert site.secret_files == (tmp_path / "key",)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (f"{KEYRING}[client.nova]\nkey = {KEY}\n", "is a keyring with 2 keys, and one is needed"),
        ("[client.cinder]\ncaps = x\n", "is a keyring with 0 keys"),
        (f"{KEY}\nmore\n", "is neither a key nor a keyring"),
        ("x" * 70_000, "too long for a secret"),
        (b"\xff\xfe", "can't decode byte"),
    ],
    ids=["two users", "no key", "two lines", "long", "no text"],
)
def test_what_is_in_it_is_one_secret(tmp_path: Path, content: str | bytes, reason: str) -> None:
    with pytest.raises(InputError, match=f"services.cinder.environment.CEPH_KEY_FILE: .*key: .*{reason}"):
        open_site(ceph(tmp_path, content))


def test_it_is_there_and_the_secret_is_given_once(tmp_path: Path) -> None:
    file = ceph(tmp_path, KEY)
    (tmp_path / "key").unlink()
    with pytest.raises(InputError, match=r"CEPH_KEY_FILE: .*key: No such file or directory"):
        open_site(file)
    with pytest.raises(InputError, match="CEPH_KEY_FILE: CEPH_KEY is given, too"):
        open_site(ceph(tmp_path, KEY, CEPH_KEY=KEY))


def test_a_password_of_all_that_share_it(tmp_path: Path) -> None:
    """With blanks at its end, which belong to it."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/admin").write_text("contrail123 \n")
    site, _ = open_site(written(tmp_path, settings={"ADMIN_PASSWORD_FILE": "secrets/admin"}))
    assert site.settings == {"ADMIN_PASSWORD": "contrail123 "}


def test_what_is_no_secret_is_in_no_file(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("1")
    with pytest.raises(InputError, match=r"settings\.REGION_FILE: "):
        open_site(written(tmp_path, settings={"REGION_FILE": "port"}))


def test_a_saved_site_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the site's own file is named by a path that begins where the user is."""
    folder = tmp_path / "sites"
    folder.mkdir()
    reference = Path(ceph(folder, KEYRING)).relative_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    site, catalogue = open_site(str(reference))
    saved = Save(Host.__new__(Host), site, catalogue, reference, tmp_path / "out", None, "0")
    assert saved.beside() == {Path("key"): folder / "key"}
