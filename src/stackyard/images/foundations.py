"""What a recipe is made from beside the catalogue: what the tool, the engine and the site have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stackyard.images.found import Found
from stackyard.images.parts import ContextFile
from stackyard.images.versions import NOTHING_RECORDED, Record
from stackyard.model.site import Packages, Repository

MOUNTED = "/mnt/repository"
ARMOUR = b"-----BEGIN"


@dataclass(frozen=True)
class Foundation:
    """A base on the engine, with the inputs it was made from, and the record of Debian versions for what is on it."""

    reference: str
    inputs: Mapping[str, str]
    record: Record = NOTHING_RECORDED


@dataclass(frozen=True)
class Foundations:
    """What images are made from beside the catalogue.

    ``bases`` by name of the distribution; ``uv`` installs Python packages; ``published`` are those of the published
    images that the engine has, by reference; ``repositories`` the files for apt or dnf, by name of the repository.
    """

    bases: Mapping[str, Foundation]
    uv: ContextFile
    published: Mapping[str, Found] = field(default_factory=dict)
    repositories: Mapping[str, Mapping[str, ContextFile]] = field(default_factory=dict)


def files_of(repository: Repository) -> dict[str, ContextFile]:
    """Path -> file: a repository as the step that installs packages of its kind wants it."""
    key = repository.key.read_bytes() if repository.key else None
    rpm = isinstance(repository, Packages) and repository.image
    return _for_dnf(repository, key) if rpm else _for_apt(repository, key)


def _for_dnf(repository: Repository, key: bytes | None) -> dict[str, ContextFile]:
    lines = ["[site]", "name=site", f"baseurl={repository.url}", f"gpgcheck={int(bool(key))}"]
    lines += [f"gpgkey=file://{MOUNTED}/key.asc"] if key else []
    files = {"site.repo": ContextFile("".join(f"{line}\n" for line in lines).encode())}
    return {**files, "key.asc": ContextFile(key)} if key else files


def _for_apt(repository: Repository, key: bytes | None) -> dict[str, ContextFile]:
    name = f"key.{'asc' if key and key.startswith(ARMOUR) else 'gpg'}"
    trust = f"Signed-By: {MOUNTED}/{name}" if key else "Trusted: yes"
    lines = ["Types: deb", f"URIs: {repository.url}", f"Suites: {repository.suite}", trust]
    lines += [f"Components: {' '.join(repository.components)}"] if repository.components else []
    files = {"site.sources": ContextFile("".join(f"{line}\n" for line in lines).encode())}
    return {**files, name: ContextFile(key)} if key else files
