"""What a build takes from the host, says so without passwords, and leaves nothing of it in what is made."""

import json
import subprocess
from pathlib import Path

import pytest

from stackyard.catalogue import Catalogue
from stackyard.effects import debian
from stackyard.effects.debian import OWN, Debian
from stackyard.errors import InputError
from stackyard.images import outside
from stackyard.images.bake import _secrets
from stackyard.images.base import BaseImage
from stackyard.images.outside import Outside
from stackyard.images.parts import Recipe

SOURCES = """\
deb http://archive.example.net/debian trixie main
deb http://archive.example.net/debian trixie-updates main
deb http://updates.example.net/debian-security trixie-security main
"""
"""As mmdebstrap writes them."""
MIRROR = "https://me:word@mirror.example.org/some/debian"
CONFIG = f"""#!/bin/sh
test "$*" = "dump --format %f %v%n Acquire" || exit 1
echo 'Acquire::http '
echo 'Acquire::http::Proxy http://cache.example.org:3142'
echo 'Acquire::http::Proxy::{MIRROR.partition("@")[2]} DIRECT'
echo 'Acquire::Retries 3'
"""


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host whose apt has proxies."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "apt-config").write_text(CONFIG)
    (tmp_path / "bin" / "apt-config").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")


@pytest.fixture(autouse=True)
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host whose pip and docker client have no configuration."""
    monkeypatch.setattr(outside, "PIP", (str(tmp_path / "pip.conf"),))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(debian.shutil, "which", {"apt-config": None}.get)


def test_a_plain_host_says_where_things_come_from() -> None:
    assert [*Outside.of({}).told] == ["proxy: none", "package index: PyPI", f"Debian mirror: {OWN}"]


@pytest.mark.usefixtures("apt")
def test_no_password_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian.shutil, "which", {"apt-config": "apt-config"}.get)
    env = {
        "http_proxy": "http://me:word@proxy:3128",
        "HTTP_PROXY": "http://me:word@proxy:3128",
        "no_proxy": "localhost",
        "PIP_INDEX_URL": "https://word@index.example.org/simple",
        "STACKYARD_DEBIAN_MIRROR": MIRROR,
    }
    proxies, index, mirror = Outside.of(env).told
    assert proxies == "proxy: http://********@proxy:3128 (HTTP_PROXY, http_proxy)"
    assert index == "package index: https://********@index.example.org/simple"
    assert mirror.startswith(
        "Debian mirror: https://********@mirror.example.org/some/debian, through apt's proxy http://c"
    )


@pytest.mark.parametrize(
    ("env", "found"),
    [
        ({}, "https://user"),
        ({"PIP_CONFIG_FILE": "own.conf"}, "https://own"),
        ({"PIP_CONFIG_FILE": "/dev/null"}, None),
        ({"PIP_CONFIG_FILE": "own.conf", "PIP_INDEX_URL": "https://env"}, "https://env"),
        (
            {"PIP_CONFIG_FILE": "own.conf", "UV_DEFAULT_INDEX": "https://uv", "PIP_INDEX_URL": "https://env"},
            "https://uv",
        ),
    ],
)
def test_the_index_is_that_of_the_environment_or_of_pips_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, env: dict[str, str], found: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pip.conf").write_text("[global]\nindex-url = https://user\ntimeout = 60\n")
    Path("own.conf").write_text("[global]\nindex-url = https://global\n[install]\nindex-url = https://own\n")
    assert Outside.of(env).index == found


def test_the_proxies_of_the_client_are_those_of_the_build_unless_the_shell_has_some(tmp_path: Path) -> None:
    proxies = {
        "default": {"httpProxy": "http://client:1", "noProxy": "*.x"},
        "tcp://far": {"httpsProxy": "http://far:1"},
    }
    (tmp_path / "config.json").write_text(json.dumps({"auths": {}, "proxies": proxies}))
    env = {"DOCKER_CONFIG": str(tmp_path)}
    assert Outside.of(env).proxies == {"http_proxy": "http://client:1", "no_proxy": "*.x"}
    assert Outside.of({**env, "https_proxy": "http://shell:1"}).proxies == {"https_proxy": "http://shell:1"}
    (tmp_path / "config.json").write_text("{}")
    assert Outside.of(env).proxies == {}


def test_a_mirror_takes_the_place_of_debians_own() -> None:
    rewriting = Debian.of({"STACKYARD_DEBIAN_MIRROR": f"{MIRROR}/"}).rewriting
    done = subprocess.run(["sed", rewriting], input=SOURCES, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        f"deb {MIRROR} trixie main",
        f"deb {MIRROR} trixie-updates main",
        f"deb {MIRROR}-security trixie-security main",
    ]
    assert Debian.of({}).rewriting == ""


@pytest.mark.parametrize("mirror", ["mirror.example.org", "ftp://x/debian", "http://x/a b", "http://x/#", "http://x/&"])
def test_a_mirror_that_is_none(mirror: str) -> None:
    with pytest.raises(InputError, match="STACKYARD_DEBIAN_MIRROR is no URL"):
        Debian.of({"STACKYARD_DEBIAN_MIRROR": mirror})


def test_steps_get_the_mirror_and_apts_proxies_as_secrets(real: Recipe) -> None:
    of_host = Debian(MIRROR, {"Acquire::http::Proxy": "http://cache:3142"})
    given = _secrets(real, Outside(None, None, None, {}, of_host))
    assert given == {"apt": b'Acquire::http::Proxy "http://cache:3142";\n', "mirror": of_host.rewriting.encode()}
    assert _secrets(real, Outside(None, None, None, {}, Debian("", {}))) == {}


def test_the_base_is_made_from_the_mirror_and_is_the_same_image(small: Catalogue, tmp_path: Path) -> None:
    base = BaseImage(small.base)
    options = Debian(MIRROR, {"Acquire::http::Proxy": "http://cache:3142"}).options(tmp_path)
    command = base.command("-", options)
    assert [each for each in command if each not in options] == base.command("-")
    assert "word" not in " ".join(command)
    root = tmp_path / "root"
    (root / "etc/apt").mkdir(parents=True)
    (root / "etc/apt/sources.list").write_text(SOURCES)
    env = {"PATH": "/usr/bin:/bin", "MMDEBSTRAP_APT_CONFIG": str(tmp_path / "own")}
    for option, then in zip(options, (SOURCES, None, SOURCES), strict=True):
        hook = option.partition("=")[2]
        subprocess.run(["sh", "-c", hook, "sh", str(root)], env=env, check=True)  # as mmdebstrap does
        text = (root / "etc/apt/sources.list").read_text()
        assert text == then or (then is None and "some/debian-security" in text)
    assert "cache:3142" in (tmp_path / "own").read_text()
    assert [path.name for path in (root / "etc/apt").iterdir()] == ["sources.list"]
