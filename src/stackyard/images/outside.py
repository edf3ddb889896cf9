"""What of the build host the build steps need, and the images must not have."""

from __future__ import annotations

import configparser
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from stackyard.effects.debian import OWN, Debian

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "FTP_PROXY")
INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
MAVEN = ("~/.m2/settings.xml", "/etc/maven/settings.xml")
AUTHORITIES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
PIP = ("/etc/xdg/pip/pip.conf", "/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")
"""Files of pip's configuration; a later one has the last word, and PIP_CONFIG_FILE before all."""


@dataclass(frozen=True)
class Outside:
    """``proxies`` are environment variables; ``index`` is that of Python packages, ``debian`` where Debian's are."""

    authorities: Path | None
    index: str | None
    maven: Path | None
    proxies: Mapping[str, str]
    debian: Debian

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Outside:
        """What the environment and the files of this host say. Raises InputError."""
        bundles = [Path(path) for path in (env.get("SSL_CERT_FILE", ""), *AUTHORITIES) if path]
        proxies = {key: value for key, value in env.items() if key.upper() in PROXIES and value}
        index = next((env[name] for name in INDEXES if env.get(name)), None) or _pip_index(env)
        maven = _first(Path(path).expanduser() for path in MAVEN)
        return cls(_first(bundles), index, maven, proxies or _client_proxies(env), Debian.of(env))

    @property
    def told(self) -> Iterator[str]:
        """A line each on proxies, the index and the mirror, for people: without passwords."""
        proxies: dict[str, list[str]] = {}
        for name, value in sorted(self.proxies.items()):
            if name.upper() != "NO_PROXY":
                proxies.setdefault(_masked(value), []).append(name)
        yield "proxy: " + ("; ".join(f"{url} ({', '.join(names)})" for url, names in proxies.items()) or "none")
        yield f"package index: {_masked(self.index) if self.index else 'PyPI'}"
        through = "; ".join(dict.fromkeys(map(_masked, self.debian.proxies.values())))
        mirror = _masked(self.debian.mirror) or OWN
        yield f"Debian mirror: {mirror}" + (f", through apt's proxy {through}" if through else "")


def _masked(url: str) -> str:
    return re.sub(r"://[^/@\s]+@", "://********@", url)


def _first(paths: Iterable[Path]) -> Path | None:
    """The first of the files that is there."""
    return next((path for path in paths if path.is_file()), None)


def _pip_index(env: Mapping[str, str]) -> str | None:
    """The index that pip's own configuration names."""
    own = env.get("PIP_CONFIG_FILE")
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read([] if own == os.devnull else [*(Path(path).expanduser() for path in PIP), *([own] if own else [])])
    except (configparser.Error, UnicodeDecodeError):
        return None
    found = (parser.get(section, "index-url", fallback=None) for section in ("install", "global"))
    return next(filter(None, found), None)


def _client_proxies(env: Mapping[str, str]) -> dict[str, str]:
    """The proxies that the docker client gives to what it builds and runs."""
    folder = Path(env["DOCKER_CONFIG"]) if env.get("DOCKER_CONFIG") else Path("~/.docker").expanduser()
    try:
        said = json.loads((folder / "config.json").read_text())["proxies"]["default"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    names = {f"{name.lower().removesuffix('_proxy')}Proxy": name.lower() for name in PROXIES}
    return {names[key]: str(value) for key, value in said.items() if key in names and value}
