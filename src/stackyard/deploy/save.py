"""`save`: a site with its images, data and secrets, in one file."""

from __future__ import annotations

import io
import json
import os
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from stackyard.catalogue import Catalogue
from stackyard.catalogue.problems import some
from stackyard.deploy.down import take_down
from stackyard.deploy.image_files import fetch
from stackyard.deploy.saved import Writer, copy
from stackyard.deploy.state import SiteState, locked
from stackyard.deploy.up import Up
from stackyard.deploy.vms import end_vms
from stackyard.effects.engine import Engine
from stackyard.effects.host import Host
from stackyard.effects.signals import stoppable
from stackyard.errors import InputError
from stackyard.events import Event, Report
from stackyard.model.site import Site
from stackyard.plan.observed import LABEL_NODE, LABEL_SITE

ABOUT = "about.json"
SITE_FILE = "site.yaml"
VOLUMES = "/volumes"
"""Where they are in the container that reads or writes them: ``<node>/<volume>`` below it."""
LABEL_VOLUME = "com.docker.compose.volume"
SHUT = "to bring the site back: stackyard up"
_RIGHTS = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "MKNOD", "SETFCAP")


@dataclass(frozen=True)
class Volume:
    """A volume of a site: on which node, its name there, that of the engine, and its labels."""

    node: str
    name: str
    engine_name: str
    labels: dict[str, str]


def volumes(engine: Engine, site: str) -> list[Volume]:
    """The site's volumes."""
    names = engine.ask("volume", "ls", "-q", "--filter", f"label={LABEL_SITE}={site}").split()
    found = engine.inspect("volume", names)
    return [
        Volume(each["Labels"][LABEL_NODE], each["Labels"][LABEL_VOLUME], each["Name"], each["Labels"]) for each in found
    ]


def tar_of(there: Iterable[Volume], image: str, *arguments: str, reads: bool) -> list[str]:
    """Command of the engine that runs ``tar`` where the volumes are, with that image."""
    rights = [word for right in _RIGHTS for word in ("--cap-add", right)]
    mode = ",readonly" if reads else ""
    mounts = [
        word
        for each in there
        for word in ("--mount", f"type=volume,src={each.engine_name},dst={VOLUMES}/{each.node}/{each.name}{mode}")
    ]
    safely = ["--network", "none", "--cap-drop", "ALL", *rights, "--security-opt", "no-new-privileges"]
    how = ["--rm", "--interactive", "--pull", "never", "--log-driver", "none", "--user", "0:0", *safely]
    return ["run", *how, *mounts, "--entrypoint", "tar", image, "--directory", VOLUMES, *arguments]


@dataclass(frozen=True)
class Save:
    """A site, whose file is ``reference``, and where it is saved."""

    host: Host
    site: Site
    catalogue: Catalogue
    reference: Path
    file: Path
    passphrase: str | None
    version: str
    """Of the tool."""

    def run(self, report: Report, *, stays_down: bool = False) -> bool:
        """Write the file, mode 0600, complete or not at all; whether the site runs again afterwards.

        It is up while its images are written; then its VMs are shut down, and it is taken down for as long as its
        data is written. Raises InputError before anything is touched, StackyardError for what fails on the way.
        """
        way = Up(self.host, self.site, self.catalogue, end_vms=True)
        wanted, there, plan = way.plan()
        engine, name = self.host.engine, self.site.site
        if not volumes(engine, name):
            raise InputError(f"there is nothing of the site {name} here", "bring it up: stackyard up")
        if plan.missing_images:
            raise InputError(
                f"images of the site are not here: {some(plan.missing_images)}", "bring the site up: stackyard up"
            )
        beside = self.beside()
        was_up = any(each.running for each in there.containers.values())
        failed, stopped = None, False
        try:
            with stoppable(SHUT if was_up else "the same command begins anew"), _partial(self.file) as out:
                head = {"site": name, "stackyard": self.version, "release": self.site.release, "made": _now()}
                writer = Writer(out, head, self.passphrase)
                with locked(wanted.state, "save") as lock:
                    fetch(self.host, self.site, self.catalogue, wanted.facts.image_files, report)
                    images = {each: there.images[each] for each in sorted(wanted.site.images)}
                    self._pipe(writer, "images", ["image", "save", *images], lock, report)
                    self._files(writer, [each.path for each in wanted.facts.image_files.values()])
                    stopped = was_up
                    end_vms(engine, self.catalogue, there.containers.values(), report)
                    take_down(self.host, name, lock, report)
                    report(Event("done", name, "down"))
                    kept = volumes(engine, name)
                    about = {"images": images, "volumes": [asdict(each) for each in kept]}
                    self._site(writer, about, beside, wanted.state)
                    how = ["--create", "--sparse", "--numeric-owner", "--xattrs", "--warning=no-file-ignored", "."]
                    self._pipe(writer, "volumes", tar_of(kept, min(images), *how, reads=True), lock, report)
                writer.close()
        except Exception as error:  # noqa: BLE001 - raised when the site is up again
            failed = error
        again = stopped and (not stays_down or bool(failed))  # what was not stopped is none of its business
        if again:
            way.run(report)
        if failed:
            raise failed
        return again

    def _pipe(self, writer: Writer, what: str, command: Sequence[str], lock: int, report: Report) -> None:
        """What a command of the engine prints, as an entry."""
        source = self.host.engine.reading(*command, pass_fds=(lock,))
        with progress(report, what) as told, writer.stream(f"{what}.tar") as sink, source as printed:
            copy(printed, sink, told)

    def _files(self, writer: Writer, paths: Sequence[str]) -> None:
        """The files of the images that the cloud contains, by their place below the state."""
        with writer.stream("files.tar") as sink, tarfile.open(fileobj=sink, mode="w|") as tar:
            for path in sorted(set(paths)):
                tar.add(path, str(Path(path).relative_to(self.host.state)), recursive=False)

    def beside(self) -> dict[Path, Path]:
        """Files that the site's own names, by their place beside it. Raises InputError for one that is elsewhere."""
        folder = self.reference.parent
        named: list[Path | None] = [folder / each for each in (self.site.catalogue, self.site.structure) if each]
        named += [each.key for each in self.site.packages.values()]
        named += self.site.secret_files
        if self.site.contents:
            named += [each.file for each in self.site.contents.images.values()]
        found: dict[Path, Path] = {}
        for each in filter(None, named):
            top = each.resolve()
            if not top.is_relative_to(folder.resolve()):
                raise InputError(
                    f"{self.reference} names {each}, which is not below its folder: the archive could not have it",
                    "move it there, and name it relative to the site file",
                )
            for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
                if path.is_file():
                    found[path.relative_to(folder.resolve())] = path
        return found

    def _site(self, writer: Writer, about: dict[str, Any], beside: dict[Path, Path], state: SiteState) -> None:
        """The site's file with what it names, its secrets, and what there is in the archive."""
        with writer.stream("site.tar") as sink, tarfile.open(fileobj=sink, mode="w|") as tar:
            parts = {ABOUT: (json.dumps(about, indent=1) + "\n").encode(), SITE_FILE: self.reference.read_bytes()}
            parts |= {"secrets.json": state.secrets.read_bytes(), "state.json": state.record.read_bytes()}
            for name, data in parts.items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(data), 0o600
                tar.addfile(entry, io.BytesIO(data))
            for inner, path in beside.items():
                tar.add(path, f"beside/{inner}", recursive=False)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@contextmanager
def _partial(file: Path) -> Iterator[IO[bytes]]:
    """A file that has its name when it is complete; what a killed command left of it is written over."""
    partial = file.with_name(f".{file.name}.partial")
    try:
        handle = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w+b") as out:
            os.fchmod(out.fileno(), 0o600)
            yield out
            out.flush()
            os.fsync(out.fileno())
        partial.replace(file)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def progress(report: Report, subject: str) -> Iterator[Callable[[int], None]]:
    """Tell how much there was of something, as it comes and in the end."""
    begun, so_far = time.monotonic(), 0
    report(Event("started", subject))

    def told(count: int) -> None:
        nonlocal so_far
        so_far = count
        report(Event("progress", subject, f"{count / 1e6:.0f} MB"))

    yield told
    report(Event("done", subject, f"{so_far / 1e6:.0f} MB", time.monotonic() - begun))
