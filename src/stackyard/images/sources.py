"""Files that go into images: what of the catalogue and of the tool itself is read from disk."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from stackyard.catalogue import Catalogue
from stackyard.images.parts import ContextFile

PACKAGE = Path(__file__).resolve().parents[1]
STEPS = Path(__file__).resolve().parent / "steps"
EXECUTABLE = 0o100
FOLDER = "/opt/stackyard/container/"
DESCRIBES = ("contract", "environments", "known", "removed", "title", "templates")
"""Keys of container.json that name no file to run."""
_WORD = re.compile(r"[\w.+/-]+")
_LITERAL = r"""(?:"[^"]*"|'[^']*')"""
_REFERENCE = re.compile(
    r"\{%[-+]?\s*(?:import|include|from|extends)\b"
    rf"(?:\s*({_LITERAL}|\[(?:\s*{_LITERAL}\s*,?)+\s*\])\s*(?=[-+%]|import|as|with|ignore))?"
)
"""The templates that a statement of Jinja names; nothing where it computes a name."""
_IMPORT = re.compile(r"^\s*(?:from|import)\s+(\w+)", re.MULTILINE)
ENTRYPOINT = "/opt/stackyard/bin/entrypoint"


def step(name: str) -> ContextFile:
    """A script that runs inside build steps."""
    return ContextFile((STEPS / name).read_bytes(), 0o755)


def entrypoint() -> dict[str, ContextFile]:
    """The program inside every image, below /opt/stackyard."""
    folder = PACKAGE / "entrypoint"
    code = {
        f"app/stackyard_entrypoint/{path.relative_to(folder)}": ContextFile(path.read_bytes())
        for path in sorted(folder.rglob("*.py"))
    }
    return {**code, "bin/entrypoint": launcher("/usr/bin/python3")}


def launcher(interpreter: str) -> ContextFile:
    """The file that starts the entrypoint, with a Python."""
    _, _, text = (PACKAGE / "entrypoint" / "launcher").read_bytes().partition(b" ")
    return ContextFile(f"#!{interpreter} ".encode() + text, 0o755)


def container_files(catalogue: Catalogue, image: str, data: Mapping[str, Any]) -> dict[str, Path]:
    """Path in an image's container folder -> file: those that its container.json, ``data``, refers to.

    They are the templates that it renders and what these import, and those scripts that its commands name, or that
    other scripts of these name.
    """
    service, _ = catalogue.image(image)
    own = catalogue.files(service.service)
    shared = {path.name: path for path in catalogue.fragment_templates.glob("*.j2")}
    templates = shared | {name: path for name, path in own.items() if name.endswith(".j2")}
    scripts = {name: path for name, path in own.items() if not name.endswith(".j2")}
    said = _strings({key: value for key, value in data.items() if key not in DESCRIBES})
    rendered = _closure((each["source"] for each in data["templates"].values()), templates, _imported)
    named = _closure((name for text in said for name in _named(text, scripts)), scripts, _named)
    return {**{f"templates/{name}": templates[name] for name in rendered}, **{name: scripts[name] for name in named}}


def _closure(
    names: Iterable[str], files: Mapping[str, Path], refers: Callable[[str, Iterable[str]], Iterable[str]]
) -> list[str]:
    """The files of those names, and all that they refer to."""
    waiting, found = list(names), set[str]()
    while waiting:
        name = waiting.pop()
        if name in files and name not in found:
            found.add(name)
            waiting.extend(refers(files[name].read_text(errors="replace"), files))
    return sorted(found)


def _imported(template: str, templates: Iterable[str]) -> Iterable[str]:
    """The templates that a template imports or includes; all of them when it computes a name."""
    named = _REFERENCE.findall(template)
    return [name.strip("\"'") for each in named for name in re.findall(_LITERAL, each)] if all(named) else templates


def _named(text: str, scripts: Iterable[str]) -> Iterator[str]:
    """The scripts that a command or a script names.

    A name with a dot counts wherever it stands, one without as a whole argument or below the container's folder.
    """
    words = set(_WORD.findall(text))
    modules = set(_IMPORT.findall(text))
    for name in scripts:
        written = {f"{FOLDER}{name}", f"./{name}", *([name] if "." in name else [])}
        if text == name or written & words or name.removesuffix(".py") in modules:
            yield name


def _strings(value: Any) -> Iterator[str]:
    """All strings in a value of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _strings(each)


def load(path: Path) -> ContextFile:
    """A file of the catalogue, executable or not."""
    return ContextFile(path.read_bytes(), 0o755 if path.stat().st_mode & EXECUTABLE else 0o644)


def lock(catalogue: Catalogue, name: str, kind: str = "python") -> ContextFile:
    """A lock of Python packages or Maven artefacts."""
    return ContextFile(catalogue.lock(name, kind).read_bytes())


def packages_in(lock_file: ContextFile) -> int:
    """How many packages a lock has."""
    return len(re.findall(rb"^[A-Za-z0-9][^=\n]*==", _bytes(lock_file), re.MULTILINE))


def artefacts_in(lock_file: ContextFile) -> int:
    """How many artefacts a lock has."""
    return len(re.findall(rb"^[^#\s]", _bytes(lock_file), re.MULTILINE))


def only(lock_file: ContextFile, package: str) -> ContextFile:
    """The part of a lock that is about one package."""
    found = re.search(rf"^{package}==.*?(?=^\S|\Z)".encode(), _bytes(lock_file), re.MULTILINE | re.DOTALL)
    return ContextFile(found.group() if found else b"")


def _bytes(file: ContextFile) -> bytes:
    return file.content if isinstance(file.content, bytes) else file.content.read_bytes()
