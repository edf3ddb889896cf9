"""Files of the images that a cloud contains: where they are on a host, and how they come there."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stackyard.catalogue import Catalogue
from stackyard.catalogue.contents import GUEST
from stackyard.catalogue.problems import Problems, shown
from stackyard.effects import download
from stackyard.effects.files import write_atomically
from stackyard.effects.host import Host
from stackyard.effects.lock import locked, patient
from stackyard.errors import InputError
from stackyard.events import Event, Report
from stackyard.guest import guest
from stackyard.model.contents import Image
from stackyard.model.site import Site
from stackyard.plan.contents import ImageFile

KNOWN = "known.json"
"""Checksums of files, as they were when they were read: path -> [size, time of the last change, checksum]."""


def folder(host: Host) -> Path:
    """Where they are kept, by their checksums; all sites share them."""
    return host.state / "images"


def image_files(host: Host, site: Site, catalogue: Catalogue) -> dict[str, ImageFile]:
    """Where the file of each image is or will be. Raises InputError when one cannot be read."""
    if site.contents is None:
        return {}
    place, suite = folder(host), guest_suite(catalogue)
    found = {GUEST: ImageFile(str(guest.image_path(host.state, suite)), guest.identity_here(suite))}
    problems = Problems(source=site.source)
    for name, image in site.contents.images.items():
        checksum = image.sha256 or ""
        if image.file:
            try:
                checksum = checksum_of(host, image.file)
            except OSError as error:
                message = f"{shown(image.file)}: {error.strerror}"
                remedy = "correct the name, which is relative to the site file, or let this user read it"
                problems.at(("contents", "images", name, "file"), message, remedy)
                continue
        if image.sha256 and checksum != image.sha256:
            message = f"{shown(image.file or Path())} has the SHA-256 sum {checksum}, and not {image.sha256}"
            problems.at(("contents", "images", name, "sha256"), message, "correct it, or the file")
        found[name] = ImageFile(str(place / checksum), checksum)
    problems.check()
    return found


def guest_suite(catalogue: Catalogue) -> str:
    """The suite that the guest is made of."""
    return catalogue.base.suite


def checksum_of(host: Host, file: Path) -> str:
    """The SHA-256 sum of a file, which is read again only when it has changed.

    One that is gone counts as it was, if a copy of it is kept. Raises OSError.
    """
    path, known = str(file.resolve()), _known(host)
    before = str(known[path][2]) if path in known else ""
    if before and not file.exists() and (folder(host) / before).exists():
        return before
    status = file.stat()
    entry = [status.st_size, status.st_mtime_ns]
    if before and known[path][:2] == entry:
        return before
    checksum = download.sha256(file)
    if host.is_root():
        content = json.dumps({**known, path: [*entry, checksum]}, indent=2).encode()
        write_atomically(folder(host) / KNOWN, content, mode=0o644)
    return checksum


def _known(host: Host) -> dict[str, list[Any]]:
    try:
        known: dict[str, list[Any]] = json.loads((folder(host) / KNOWN).read_bytes())
    except (OSError, ValueError):
        return {}
    return known


def fetch(host: Host, site: Site, catalogue: Catalogue, files: Mapping[str, ImageFile], report: Report) -> None:
    """Bring all of them there, each complete or not at all. Raises InputError with the image that fails."""
    if site.contents is None:
        return
    guest.ensure(host.state, guest_suite(catalogue), report)
    wanted = {name: Path(files[name].path) for name in site.contents.images}
    if all(path.exists() for path in wanted.values()):
        return
    with locked(folder(host) / ".lock", "up", patient(report, "images")):
        for name, path in wanted.items():
            if not path.exists():
                _bring(name, site.contents.images[name], path, report)


def _bring(name: str, image: Image, path: Path, report: Report) -> None:
    subject, begun = f"image {name}", time.monotonic()
    report(Event("started", subject, f"from {image.url or image.file}"))
    try:
        if image.url:
            download.download(image.url, path, lambda text: report(Event("progress", subject, text)))
        elif image.file:
            download.copy(image.file, path)
    except InputError as error:
        raise InputError(f"image {name}: {error.message}", error.hint) from error
    report(Event("done", subject, f"{path.stat().st_size / 1e6:.1f} MB", time.monotonic() - begun))
