"""`load`: a saved site, made one of this host; `up` starts it."""

from __future__ import annotations

import json
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stackyard.catalogue import Catalogue, open_site, site_path
from stackyard.catalogue.problems import some
from stackyard.deploy.another import another
from stackyard.deploy.observe import containers
from stackyard.deploy.save import ABOUT, SITE_FILE, Volume, progress, tar_of, volumes
from stackyard.deploy.saved import DAMAGED, Reader, copy
from stackyard.deploy.state import SiteState, locked
from stackyard.effects.files import write_atomically
from stackyard.effects.host import Host
from stackyard.effects.signals import stoppable
from stackyard.errors import InputError, StackyardError
from stackyard.events import Event, Report
from stackyard.model.site import Site
from stackyard.plan.observed import LABEL_SITE
from stackyard.secrets import Secrets
from stackyard.secrets import load as load_secrets

LABEL_PROJECT = "com.docker.compose.project"
LABELS_OF_ITS_OWN = {"com.docker.compose.config-hash"}
"""What compose says of a volume that another name makes untrue."""
REPEAT = "the same command begins anew"


@dataclass(frozen=True)
class Loaded:
    """A site that is here now, and how commands name it: by its name, or by its file."""

    site: str
    reference: str


@dataclass(frozen=True)
class Load:
    """A saved site, and how it is to be here: under another name if one is given, its file in ``folder``."""

    host: Host
    reader: Reader
    name: str | None
    folder: Path

    def run(self, report: Report) -> Loaded:
        """Make it one of this host's. Interrupted, the same command begins anew.

        With a name of its own it gets secrets, networks and ports of its own. Raises InputError before anything is
        touched, StackyardError for what fails on the way.
        """
        before = str(self.reader.head["site"])
        name = self.name or before
        state = SiteState.of(self.host, name)
        self._is_free(state, name)
        with tempfile.TemporaryDirectory(prefix="stackyard-") as scratch:
            place = Path(scratch)
            about = self._unpacked(place)
            file = place / "beside" / f"{name}.yaml"
            (place / SITE_FILE).rename(file)
            if name != before:
                another(self.host, file, name)
            reference = self._reference(file, name)
            site, catalogue = open_site(str(file))
            lacking = self._lacking(about["images"], name)
            if site.site != name:
                raise InputError(
                    f"the archive says that it is the site {name}, and has the file of {site.site}", DAMAGED
                )
            with stoppable(REPEAT), locked(state, "load") as lock:
                self._is_free(state, name)  # another load may have made it before the lock was had
                state.begin_load()
                self._remove(name, lock)
                try:
                    if lacking:
                        self._pipe("images", ["image", "load", "--quiet"], lock, report)
                    else:
                        report(Event("unchanged", "images", "all of them are here"))
                    self._files()
                    self._volumes(about, before, name, lock, report)
                except StackyardError:
                    self._remove(name, lock)
                    state.forget()
                    raise
                self._remember(state, place, site, catalogue, same=name == before)
                if reference != name:
                    shutil.copytree(file.parent, self.folder, dirs_exist_ok=True)
                state.end_load()
        return Loaded(name, reference)

    def _remove(self, name: str, lock: int) -> None:
        """Remove what a load that did not end has left."""
        if left := [each.engine_name for each in volumes(self.host.engine, name)]:
            self.host.engine.run("volume", "rm", *left, pass_fds=(lock,))

    def _volumes(self, about: dict[str, Any], before: str, name: str, lock: int, report: Report) -> None:
        """Make the volumes, and fill them."""
        there = [_of(Volume(**each), before, name) for each in about["volumes"]]
        for each in there:
            labels = [word for item in each.labels.items() for word in ("--label", "=".join(item))]
            self.host.engine.run("volume", "create", *labels, each.engine_name, pass_fds=(lock,))
        unpack = ["--extract", "--numeric-owner", "--preserve-permissions", "--xattrs", "--xattrs-include=*"]
        self._pipe("volumes", tar_of(there, min(about["images"]), *unpack, reads=False), lock, report)

    def _is_free(self, state: SiteState, name: str) -> None:
        """There is no such site here, but for one whose load did not end. Raises InputError."""
        engine = self.host.engine
        if not state.loading and (state.secrets.exists() or containers(engine, name) or volumes(engine, name)):
            raise InputError(
                f"there is a site {name} here already",
                "load it under another name (--as NAME), or remove that one with its data: stackyard down --volumes",
            )

    def _unpacked(self, place: Path) -> dict[str, Any]:
        """The part that says what the site is, in a folder of its own."""
        (place / "beside").mkdir()
        with self.reader.stream("site.tar") as source, tarfile.open(fileobj=source, mode="r|") as tar:
            tar.extractall(place, filter="data")
        about: dict[str, Any] = json.loads((place / ABOUT).read_bytes())
        return about

    def _reference(self, file: Path, name: str) -> str:
        """How commands name the site: as the catalogue does, if it has the very same, or by a file that is made.

        Raises InputError when there is another file in its place.
        """
        try:
            if site_path(name).read_bytes() == file.read_bytes():
                return name
        except InputError:
            pass
        target = self.folder / file.name
        for path in sorted(file.parent.rglob("*")):
            there = self.folder / path.relative_to(file.parent)
            if path.is_file() and there.exists() and there.read_bytes() != path.read_bytes():
                raise InputError(f"{there} is another file than the archive's", "name another folder: --folder FOLDER")
        return str(target) if "/" in str(target) else f"./{target}"

    def _lacking(self, images: dict[str, str], name: str) -> list[str]:
        """Images of the archive that are not here. Raises InputError when another site runs others of these names."""
        engine = self.host.engine
        listed = engine.ask("image", "ls", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").splitlines()
        here = dict(line.split(" ", 1) for line in listed)
        form = f'{{{{.Image}}}} {{{{.Label "{LABEL_SITE}"}}}}'
        users = [line.split(" ") for line in engine.ask("ps", "-a", "--format", form).splitlines()]
        differing = {each for each, identifier in images.items() if here.get(each, identifier) != identifier}
        sites = sorted({site for image, site in users if site and site != name and image in differing})
        if sites:
            raise InputError(
                f"the archive has other images than those of the same names that {some(sites)} runs with: "
                f"{some(sorted(differing))}",
                "take that down first, or load this where nothing else runs",
            )
        return [each for each, identifier in images.items() if here.get(each) != identifier]

    def _pipe(self, what: str, command: Sequence[str], lock: int, report: Report) -> None:
        """Have a command of the engine read an entry."""
        sink = self.host.engine.writing(*command, pass_fds=(lock,))
        with progress(report, what) as told, self.reader.stream(f"{what}.tar") as source, sink as reads:
            copy(source, reads, told)

    def _files(self) -> None:
        """The files of the images that the cloud contains, where they were below the state."""
        with self.reader.stream("files.tar") as source, tarfile.open(fileobj=source, mode="r|") as tar:
            for entry in tar:
                target = self.host.state / entry.name
                if entry.isfile() and ".." not in target.parts and not target.exists():
                    tar.extract(entry, self.host.state, filter="data")

    def _remember(self, state: SiteState, place: Path, site: Site, catalogue: Catalogue, *, same: bool) -> None:
        """Its secrets and what was known of it; of another site than it was, only what its data is encrypted with."""
        if same:
            write_atomically(state.record, (place / "state.json").read_bytes(), mode=0o644)
            write_atomically(state.secrets, (place / "secrets.json").read_bytes(), mode=0o600)
            return
        known, kept = load_secrets(place / "secrets.json"), Secrets()
        for name in protecting(catalogue):
            if value := known.known(name):
                kept.put(name, value.reveal())
        write_atomically(state.secrets, kept.dump(), mode=0o600)
        state.write({"site": site.site, "release": site.release, "sdn": site.sdn, "loaded": int(time.time())})


def protecting(catalogue: Catalogue) -> Iterable[str]:
    """Names of the secrets that data at rest is encrypted with."""
    variables = (each for image in catalogue.images for each in catalogue.effective(image).contract.values())
    return sorted({each.secret for each in variables if each.secret and each.at_rest})


def _of(volume: Volume, before: str, name: str) -> Volume:
    """A volume as one of the site of that name."""
    if before == name:
        return volume
    project = f"{name}{volume.labels.get(LABEL_PROJECT, before).removeprefix(before)}"
    labels = {key: value for key, value in volume.labels.items() if key not in LABELS_OF_ITS_OWN}
    labels |= {LABEL_SITE: name, LABEL_PROJECT: project}
    return Volume(volume.node, volume.name, f"{name}{volume.engine_name.removeprefix(before)}", labels)
