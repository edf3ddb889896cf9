"""Images of the toy catalogue: this Python, what it needs, the entrypoint; made without a network or a build."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import jinja2
import markupsafe

from stackyard.catalogue import load
from stackyard.catalogue.container import container_json
from stackyard.effects.engine import Engine

DOCKER = Engine().client

ROOT = Path(__file__).parents[3]
CATALOGUE = Path(__file__).parent / "catalogue"
_LEFT_OUT = {"test", "tests", "__pycache__", "site-packages", "idlelib", "ensurepip", "lib2to3", "tkinter"}
BASE = "toy.test/base:1"


def make() -> None:
    """Make the images, as `docker images` shows below toy.test."""
    made = subprocess.run([DOCKER, "import", "-", BASE], input=_base(), capture_output=True, check=False)
    assert made.returncode == 0, made.stderr
    catalogue = load(CATALOGUE, "1", "plain")
    for name, (service, image) in catalogue.images.items():
        user = image.user or service.user
        container = json.dumps(container_json(catalogue, name))
        files = {"opt/stackyard/container/container.json": container.encode()}
        for folder in catalogue.folders[service.service]:
            for path in folder.glob("*.py"):
                files[f"opt/stackyard/container/{path.name}"] = path.read_bytes()
        _commit(name, user, _tar(files, user))


def _commit(name: str, user: int, content: bytes) -> None:
    entrypoint = '["/usr/bin/python3","-IS","/opt/stackyard/bin/entrypoint"]'
    identity = subprocess.run([DOCKER, "create", BASE, "x"], capture_output=True, text=True, check=True).stdout.strip()
    subprocess.run([DOCKER, "cp", "-", f"{identity}:/"], input=content, check=True)
    changes = [f"ENTRYPOINT {entrypoint}", f"USER {user}", "CMD []", "ENV PATH=/usr/bin"]
    options = [word for change in changes for word in ("--change", change)]
    subprocess.run([DOCKER, "commit", *options, identity, f"toy.test/{name}:1"], check=True, capture_output=True)
    subprocess.run([DOCKER, "rm", identity], check=True, capture_output=True)


def _tar(files: dict[str, bytes], user: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
        data = tarfile.TarInfo("data")
        data.type, data.uid, data.gid, data.mode = tarfile.DIRTYPE, user, user, 0o755
        archive.addfile(data)
    return buffer.getvalue()


def _base() -> bytes:
    """A root file system with Python, the C library's files that it loads, and the entrypoint."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        program = Path(sys.executable).resolve()
        archive.add(program, "usr/bin/python3")
        standard = Path(sysconfig.get_paths()["stdlib"])
        archive.add(standard, f"usr/lib/{standard.name}", filter=_wanted)
        extensions = sorted(standard.glob("lib-dynload/*.so"))
        for library in sorted({library for path in [program, *extensions] for library in _libraries(path)}):
            archive.add(library.resolve(), str(library).lstrip("/"))
        for package in (jinja2, markupsafe):
            archive.add(Path(package.__file__).parent, f"opt/stackyard/lib/{package.__name__}", filter=_wanted)
        entrypoint = ROOT / "src" / "stackyard" / "entrypoint"
        archive.add(entrypoint, "opt/stackyard/app/stackyard_entrypoint", filter=_wanted)
        archive.add(entrypoint / "launcher", "opt/stackyard/bin/entrypoint")
    return buffer.getvalue()


def _wanted(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    name = Path(entry.name).name
    left_out = name in _LEFT_OUT or name.startswith("config-") or (name.endswith(".a") and entry.isfile())
    return None if left_out else entry


def _libraries(path: Path) -> set[Path]:
    told = subprocess.run(["ldd", str(path)], capture_output=True, text=True, check=False).stdout
    words = (word for line in told.splitlines() for word in line.split())
    return {Path(word) for word in words if word.startswith("/")}


if __name__ == "__main__":
    make()
