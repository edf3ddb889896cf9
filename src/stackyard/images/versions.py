"""The versions of Debian packages that images are made of: what apt is asked, what it answered, what changed. Pure.

There is a record for each base of a release. What is taken from a repository of the site is in none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from stackyard.catalogue import Catalogue
from stackyard.model.service import Image, Service

Versions = Mapping[str, str]
"""Package -> version; none for whichever is the newest at the time."""


@dataclass(frozen=True)
class Record:
    """Versions of the base's packages, and those of each request, with all that the packages depend on."""

    base: Versions = field(default_factory=dict)
    answers: Mapping[str, Versions] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Record:
        """A record from its file; an empty one from what is none."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            return cls()

    @property
    def text(self) -> str:
        """The file."""
        return json.dumps({"base": self.base, "answers": self.answers}, indent=1, sort_keys=True) + "\n"

    def missing(self, requests: Iterable[str]) -> list[str]:
        """Those of the requests that have no answer."""
        return [each for each in requests if each not in self.answers]

    def covers(self, requests: Iterable[str]) -> bool:
        """The versions of the base and the answers to all requests are known."""
        return bool(self.base) and not self.missing(requests)

    def answered(self, answers: Mapping[str, Versions]) -> Record:
        """The record with more answers."""
        return replace(self, answers={**self.answers, **answers})


Records = Mapping[str, Record]
"""Base of the release -> its record."""

PATCH, MAVEN, PATCHELF = "patch", "maven", "patchelf"
"""Packages of the programs that apply patches, fetch artefacts and make the interpreter for published images."""
NOTHING_RECORDED = Record()


def requests(service: Service, image: Image) -> list[str]:
    """What apt is asked for an image: its packages and those below, and each package that it takes files of."""
    below = requests(service, service.images[image.base]) if image.base else []
    tools = [_extract(PATCH)] if image.patches else []
    if unrecorded(service, image):
        return [*below, *tools]
    return [*below, *([_install(service, image)] if image.packages else []), *map(_extract, image.extract), *tools]


def unrecorded(service: Service, image: Image) -> bool:
    """An image, or its base, takes packages from a repository of the site: the mirror cannot be asked for them."""
    return bool(image.repository or service.below(image).repository)


def asked(catalogue: Catalogue, name: str) -> dict[str, list[str]]:
    """Base -> what apt is asked there for an image; the programs that others make parts of it with are on the first."""
    service, image = catalogue.image(name)
    below = service.below(image)
    found = {catalogue.distribution(service, image): requests(service, image)}
    tools = [*([MAVEN] if image.maven or below.maven else []), *([PATCHELF] if below.published else [])]
    for tool in tools:
        found.setdefault(catalogue.first, []).append(f"install {tool}")
    return found


def covered(records: Records, catalogue: Catalogue, name: str) -> bool:
    """All versions that an image is made of are in the records of the bases."""
    return all(records[base].covers(each) for base, each in asked(catalogue, name).items())


def _install(service: Service, image: Image) -> str:
    """The request for the packages of an image and of those that it is made from, all at once."""
    below = _install(service, service.images[image.base]) if image.base else "install"
    return " ".join([below, *(name for name in image.packages if name not in below.split())])


def _extract(package: str) -> str:
    return f"extract {package}"


def installed(record: Record, service: Service, image: Image) -> Versions | None:
    """The versions that an image adds to those below it; None when its request has no answer."""
    if not image.packages or unrecorded(service, image):
        return dict.fromkeys(image.packages, "")
    answer = record.answers.get(_install(service, image))
    below = record.answers.get(_install(service, service.images[image.base]), {}) if image.base else {}
    return _added(answer, {**record.base, **below})


def tool(record: Record, package: str) -> Versions | None:
    """The versions that a program adds to the base; None when its request has no answer."""
    return _added(record.answers.get(f"install {package}"), record.base)


def _added(answer: Versions | None, there: Versions) -> Versions | None:
    return None if answer is None else {name: each for name, each in answer.items() if there.get(name) != each}


def taken(record: Record, service: Service, image: Image) -> Versions | None:
    """The versions of the packages that an image takes files of; None when a request has no answer."""
    return dict.fromkeys(image.extract, "") if unrecorded(service, image) else extracted(record, image.extract)


def extracted(record: Record, packages: Iterable[str]) -> Versions | None:
    """The versions of packages that files are taken of; None when a request has no answer."""
    answers = [record.answers.get(_extract(package)) for package in packages]
    return None if None in answers else {name: each for answer in answers if answer for name, each in answer.items()}


def listing(versions: Versions | None) -> bytes:
    """The file that a build step reads: what apt is to install, a line each, with its version if that is known."""
    if versions is None:
        return b"not resolved\n"
    return "".join(
        f"{name}={version}\n" if version else f"{name}\n" for name, version in sorted(versions.items())
    ).encode()


def changes(before: Record, after: Record, images: Mapping[str, tuple[Service, Image]]) -> list[str]:
    """What has another version now, and for which images: `libvirt0 11.3.0-3 -> 11.3.0-4: libvirt`."""
    told: dict[str, list[str]] = {}
    pairs = {"base": (before.base, after.base)}
    for name, (service, image) in images.items():
        if before.covers(requests(service, image)):
            pairs[name] = (_own(before, service, image), _own(after, service, image))
    for name, (then, now) in pairs.items():
        for package in {**then, **now} if before.base else ():
            if then.get(package) != now.get(package):
                what = f"{package} {then.get(package, 'new')} -> {now.get(package, 'none')}"
                told.setdefault(what, []).append(name)
    return [f"{what}: {', '.join(names)}" for what, names in sorted(told.items())]


def differences(before: Records, after: Records, catalogue: Catalogue) -> list[str]:
    """What has another version now, on all bases."""
    told = []
    for base in catalogue.bases:
        images = {name: each for name, each in catalogue.images.items() if catalogue.distribution(*each) == base}
        told += changes(before[base], after[base], images)
    return told


def _own(record: Record, service: Service, image: Image) -> Versions:
    return {**(installed(record, service, image) or {}), **(taken(record, service, image) or {})}
