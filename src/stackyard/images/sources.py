"""Files that go into images: what of the catalogue and of the tool itself is read from disk."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from stackyard.catalogue import Catalogue
from stackyard.images.parts import File, digest
from stackyard.model.service import Image, Step

PACKAGE = Path(__file__).resolve().parents[1]
STEPS = Path(__file__).resolve().parent / "steps"
EXECUTABLE = 0o100
ENTRYPOINT = "/opt/stackyard/bin/entrypoint"


def step(name: str) -> File:
    """A script that runs inside build steps."""
    return File((STEPS / name).read_bytes(), 0o755)


def entrypoint() -> dict[str, File]:
    """The program inside every image, below /opt/stackyard."""
    folder = PACKAGE / "entrypoint"
    code = {
        f"app/stackyard_entrypoint/{path.relative_to(folder)}": File(path.read_bytes())
        for path in sorted(folder.rglob("*.py"))
    }
    return {**code, "bin/entrypoint": launcher("/usr/bin/python3")}


def launcher(interpreter: str) -> File:
    """The file that starts the entrypoint, with a Python."""
    _, _, text = (PACKAGE / "entrypoint" / "launcher").read_bytes().partition(b" ")
    return File(f"#!{interpreter} ".encode() + text, 0o755)


def service_files(catalogue: Catalogue, service: str) -> dict[str, Path]:
    """Path in a service's folder -> file, without service.yaml; the SDN's files take the place of the service's."""
    return {
        str(path.relative_to(folder)): path
        for folder in catalogue.folders[service]
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "service.yaml" and "__pycache__" not in path.parts
    }


def container_files(catalogue: Catalogue, service: str) -> dict[str, Path]:
    """Path in an image's container folder -> file: templates, those that services share among them, and scripts."""
    own = service_files(catalogue, service)
    files = {f"templates/{name}" if name.endswith(".j2") else name: path for name, path in own.items()}
    if not any(name.startswith("templates/") for name in files):
        shared = {
            each.source for image in catalogue.services[service].images.values() for each in image.templates.values()
        }
        if not shared | {each.source for each in catalogue.services[service].templates.values()}:
            return files
    common = {f"templates/{path.name}": path for path in sorted(catalogue.fragment_templates.glob("*.j2"))}
    return {**common, **files}


def load(path: Path) -> File:
    """A file of the catalogue, executable or not."""
    return File(path.read_bytes(), 0o755 if path.stat().st_mode & EXECUTABLE else 0o644)


def lock(catalogue: Catalogue, name: str) -> File:
    """A lock of Python packages."""
    return File((catalogue.release_folder / "python" / f"{name}.txt").read_bytes())


def packages_in(lock_file: File) -> int:
    """How many packages a lock has."""
    return len(re.findall(rb"^[A-Za-z0-9][^=\n]*==", _bytes(lock_file), re.MULTILINE))


def maven_lock(catalogue: Catalogue, name: str) -> File:
    """A lock of Maven artefacts."""
    return File((catalogue.release_folder / "maven" / f"{name}.txt").read_bytes())


def artefacts_in(lock_file: File) -> int:
    """How many artefacts a lock has."""
    return len(re.findall(rb"^[^#\s]", _bytes(lock_file), re.MULTILINE))


def only(lock_file: File, package: str) -> File:
    """The part of a lock that is about one package."""
    found = re.search(rf"^{package}==.*?(?=^\S|\Z)".encode(), _bytes(lock_file), re.MULTILINE | re.DOTALL)
    return File(found.group() if found else b"")


def _bytes(file: File) -> bytes:
    return file.content if isinstance(file.content, bytes) else file.content.read_bytes()


def service_identity(catalogue: Catalogue, service: str) -> str:
    """Identity of what a service's bootstrap does: its Python locks, its steps and its scripts.

    Every image of the service carries it, so that one can tell whether another has done its steps.
    """
    definition = catalogue.services[service]
    images: Mapping[str, Image] = definition.images
    locks = sorted({image.python for image in images.values() if image.python})
    steps: list[Step] = [*definition.bootstrap, *(each for image in images.values() for each in image.bootstrap)]
    parts = [lock(catalogue, name).digest for name in (["common", *locks] if locks else [])]
    parts += [each.model_dump_json() for each in steps]
    for name, path in service_files(catalogue, service).items():
        parts += [] if name.endswith(".j2") else [name, load(path).digest]
    return digest(*parts)[:12]
