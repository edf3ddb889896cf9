"""Secrets that a site file does not hold but names: ``NAME_FILE``, the path of a file, in place of ``NAME``."""

from __future__ import annotations

from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from pathlib import Path
from typing import TypeVar

from stackyard.catalogue.catalogue import Catalogue
from stackyard.catalogue.problems import Loc, Problems, shown
from stackyard.entrypoint.contract import FILE
from stackyard.model.site import Overrides, Site

LIMIT = 64 * 1024
"""Bytes that a file with a secret has at most."""

Level = TypeVar("Level", bound=Overrides)


def with_secrets(catalogue: Catalogue, site: Site, folder: Path, problems: Problems) -> Site:
    """The site with what those files hold; their paths are relative to its own ``folder``."""
    contracts = [catalogue.effective(image).contract for image in catalogue.images]
    known = {name for contract in contracts for name in contract}
    kinds: dict[str, str] = {n: each.generate for contract in contracts for n, each in contract.items() if each.secret}
    files: list[Path] = []

    def read(said: Mapping[str, str], loc: Loc) -> dict[str, str]:
        values = dict(said)
        for name in [each for each in said if each.endswith(FILE) and each not in known]:
            variable, at = name.removesuffix(FILE), (*loc, name)
            if variable not in kinds:
                continue
            path = folder / values.pop(name)
            if variable in values:
                problems.at(at, f"{variable} is given, too", "give one of them")
                continue
            files.append(path)
            try:
                values[variable] = _held(path, kinds[variable])
            except (OSError, ValueError) as error:
                why = error.strerror if isinstance(error, OSError) else str(error)
                problems.at(at, f"{shown(path)}: {why}", "name a file that holds the secret and nothing else")
                values[variable] = ""
        return values

    def level(each: Level, loc: Loc) -> Level:
        return each.model_copy(update={"environment": read(each.environment, (*loc, "environment"))})

    changed = {
        "settings": read(site.settings, ("settings",)),
        "services": {name: level(each, ("services", name)) for name, each in site.services.items()},
        "containers": {
            name: level(each, ("containers", name)) if isinstance(each, Overrides) else each
            for name, each in site.containers.items()
        },
        "nodes": {
            name: level(node, ("nodes", name)).model_copy(
                update={"services": {s: level(o, ("nodes", name, "services", s)) for s, o in node.services.items()}}
            )
            for name, node in site.nodes.items()
        },
    }
    return site.model_copy(update=changed).names_too(files)


def _held(path: Path, kind: str) -> str:
    """The secret in a file, without the end of its line; of a keyring of Ceph's the key. Raises ValueError, OSError."""
    with path.open("rb") as file:
        data = file.read(LIMIT + 1)
    if len(data) > LIMIT:
        raise ValueError("too long for a secret")
    text = data.decode().rstrip("\r\n")
    if "\n" in text and kind == "cephx":
        return _key(text)
    if "\n" in text:
        raise ValueError("has several lines")
    return text


def _key(keyring: str) -> str:
    """The key of the one user of a keyring."""
    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string("\n".join(line.strip() for line in keyring.splitlines()))
    except ConfigError as error:
        raise ValueError("is neither a key nor a keyring") from error
    keys = [parser[section]["key"] for section in parser.sections() if "key" in parser[section]]
    if len(keys) != 1:
        raise ValueError(f"is a keyring with {len(keys)} keys, and one is needed")
    return keys[0]
