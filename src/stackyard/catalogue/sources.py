"""What must hold for the sources that the images of a service are made from."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stackyard.catalogue.catalogue import Catalogue
from stackyard.catalogue.problems import Loc, shown, some, suggest
from stackyard.model.service import Image, Published, Service

Found = Iterator[tuple[Loc, str, str]]

ARTEFACT = re.compile(r"[\w.-]+:[\w.-]+:[\w.-]+(:[\w.-]+)? +sha256=[0-9a-f]{64}")
FOR_DISTRIBUTIONS = ("distribution", "python", "patches", "packages", "extract", "repository", "bakes")
"""Keys of an image that only a distribution of the release has a use for."""


def sources(catalogue: Catalogue, service: Service) -> Found:
    """Distributions and locks that there are, and sources that go together."""
    if service.distribution:
        yield from _known(catalogue, service.distribution, ("distribution",))
    for name, image in service.images.items():
        loc: Loc = ("images", name)
        if image.distribution:
            yield from _known(catalogue, image.distribution, (*loc, "distribution"))
        yield from _below(catalogue, service, image, loc)
        if image.repository and not image.packages and not image.extract:
            yield (*loc, "repository"), "takes nothing from it", "add `packages:`, or leave it out"
        for lock in image.maven:
            yield from _maven(catalogue, lock, (*loc, "maven", lock))


def _known(catalogue: Catalogue, name: str, loc: Loc) -> Found:
    """The release has a distribution."""
    if name not in catalogue.bases:
        message = f"release {catalogue.release} has no distribution `{name}`"
        yield loc, message, suggest(name, catalogue.bases, "its base.yaml has")


def _below(catalogue: Catalogue, service: Service, image: Image, loc: Loc) -> Found:
    """An image begins with one thing, and a sub with its base."""
    below = service.below(image)
    if image.base and image.published:
        yield (*loc, "published"), f"is a sub of {image.base} already", "leave `base:` or `published:` out"
    elif image.published:
        yield from _published(catalogue, image.published, (*loc, "published"))
    for index, each in enumerate(image.copies):
        yield from _published(catalogue, each.published, (*loc, "copies", index, "published"))
        given = {key for key in ("path", "to", "repository", "unpack") if getattr(each, key)}
        if given not in ({"path", "to"}, {"repository", "unpack"}):
            message = f"says {some(sorted(given))} of what is copied" if given else "does not say what is copied"
            yield (*loc, "copies", index), message, "give `path:` and `to:`, or `repository:` and `unpack:`"
    of_rpm = {"packages", "repository"} if below.published and below.repository else set()
    for key in FOR_DISTRIBUTIONS if below.published else ():
        if getattr(image, key) and key not in of_rpm:
            message = "is for images of the release's distributions, and this one is made from a published image"
            yield (*loc, key), message, "leave it out"
    own = catalogue.distribution(service, below)
    if image.base and image.distribution and image.distribution != own:
        message = f"its base {image.base} is on {own}"
        yield (*loc, "distribution"), message, "leave it out: a sub is on the distribution of its base"


def _published(catalogue: Catalogue, published: Published, loc: Loc) -> Found:
    """A published image is one of a source, or named by one of tag and digest."""
    known = catalogue.back_end.sources
    if bool(published.source) != bool(published.name):
        yield loc, "names half of what is in a source", "give both `source:` and `name:`"
    elif published.source and published.source not in known:
        message = f"{catalogue.back_end.title} has no source `{published.source}`"
        yield (*loc, "source"), message, suggest(published.source, known, "it has")
    elif not published.source and not published.image:
        yield loc, "names no image", "give `image:`, or `source:` and `name:`"
    elif not published.source and bool(published.tag) == bool(published.digest):
        told = "has both a tag and a digest" if published.tag else "has neither a tag nor a digest"
        yield loc, told, "give one of the two"


def _maven(catalogue: Catalogue, lock: str, loc: Loc) -> Found:
    """The release has a lock of Maven artefacts, and each of its lines has a checksum."""
    file = catalogue.lock(lock, "maven")
    if not file.is_file():
        message = f"release {catalogue.release} has no lock file {shown(file)}"
        yield loc, message, "make it: a line `group:artifact:version sha256=…` for each artefact"
        return
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if line.strip() and not line.startswith("#") and not ARTEFACT.fullmatch(line.strip()):
            message = f"{shown(file)}:{number}: `{line}` is no artefact with a checksum"
            yield loc, message, "write `group:artifact:version[:classifier] sha256=…`, 64 hexadecimal digits"
