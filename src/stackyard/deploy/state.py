"""Where the state of sites is, and the lock that keeps two commands from changing one site at once."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stackyard.bundle import File
from stackyard.effects import lock
from stackyard.effects.files import write_atomically
from stackyard.effects.host import Host
from stackyard.effects.lock import Holder
from stackyard.errors import InputError, StackyardError

VERSION = 1
ORPHAN_PATIENCE = 60
"""Seconds to wait for what a killed command left running."""


@dataclass(frozen=True)
class SiteState:
    """The files of one site."""

    folder: Path

    @classmethod
    def of(cls, host: Host, site: str) -> SiteState:
        """The state of the site of that name."""
        return cls(host.state / "sites" / site)

    @property
    def secrets(self) -> Path:
        """The store of secrets."""
        return self.folder / "secrets.json"

    @property
    def record(self) -> Path:
        """What is known of the site between commands."""
        return self.folder / "state.json"

    @property
    def lock(self) -> Path:
        """The file whose lock the command holds that changes the site."""
        return self.folder / "lock"

    @property
    def _mark(self) -> Path:
        """There as long as a load goes on."""
        return self.folder / "loading"

    @property
    def loading(self) -> bool:
        """Whether a load goes on, or was interrupted: what there is of the site is not whole."""
        return self._mark.exists()

    def begin_load(self) -> None:
        """Note that the site is not whole."""
        write_atomically(self._mark, b"", mode=0o600)

    def end_load(self) -> None:
        """Note that it is."""
        self._mark.unlink()

    def project(self, node: str, project: str) -> Path:
        """The directory of a compose project."""
        return self.folder / "nodes" / node / project

    def read(self) -> dict[str, Any]:
        """The record; empty when there is none. Raises InputError when it cannot be read."""
        try:
            record: dict[str, Any] = json.loads(self.record.read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        except OSError as error:
            raise InputError(
                f"{self.record}: {error.strerror}", "correct it, or the place in STACKYARD_STATE"
            ) from error
        if record.get("version", 0) > VERSION:
            raise InputError(
                f"{self.record}: version {record['version']} is later than this stackyard's, {VERSION}",
                "use the stackyard that wrote it, or a later one",
            )
        return record

    def write(self, record: Mapping[str, Any]) -> None:
        """Write the record."""
        content = json.dumps({"version": VERSION, **record}, indent=2, sort_keys=True) + "\n"
        write_atomically(self.record, content.encode(), mode=0o644)

    def stale(self, files: Mapping[str, Mapping[str, File]]) -> tuple[str, ...]:
        """Paths, ``node/project/file``, that are not on the disk as they should be, or should not be there."""
        nodes = self.folder / "nodes"
        wanted = {f"{node}/{path}": file for node, each in files.items() for path, file in each.items()}
        there = {str(path.relative_to(nodes)) for path in nodes.rglob("*") if path.is_file()}
        differing = {path for path, file in wanted.items() if path not in there or not _same(nodes / path, file)}
        return tuple(sorted(differing | (there - wanted.keys())))

    def write_files(self, files: Mapping[str, Mapping[str, File]], paths: tuple[str, ...]) -> None:
        """Bring these paths up to date: written, each complete or not at all, or removed."""
        nodes = self.folder / "nodes"
        for path in paths:
            node, _slash, inner = path.partition("/")
            file = files.get(node, {}).get(inner)
            if file is None:
                (nodes / path).unlink(missing_ok=True)
            else:
                write_atomically(nodes / path, file.content, mode=file.mode, owner=file.user)
        _remove_empty(nodes)

    def forget(self) -> None:
        """Remove everything that is known of the site."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _same(path: Path, file: File) -> bool:
    status = path.stat()
    if status.st_mode & 0o7777 != file.mode or (file.user not in {None, status.st_uid} and os.geteuid() == 0):
        return False
    return path.read_bytes() == file.content


def _remove_empty(folder: Path) -> None:
    for name, _folders, _files in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            Path(name).rmdir()


@contextlib.contextmanager
def locked(state: SiteState, verb: str) -> Iterator[int]:
    """Hold the site's lock; yields its file descriptor, for children that must hold it on after this process.

    Raises StackyardError when another command has it. One that was killed is waited for: what it started still ends.
    """

    def busy(holder: Holder) -> None:
        if holder.alive or holder.waited > ORPHAN_PATIENCE:
            raise StackyardError(
                f"another command is changing the site {state.folder.name}: {holder.name}",
                "wait for it to end, then run this again",
            )

    with lock.locked(state.lock, verb, busy) as handle:
        yield handle
