"""Programs that the catalogue leaves to the site: which layer says what is taken, and from where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from stackyard.catalogue.problems import Loc, some, suggest
from stackyard.catalogue.yamlsource import Map
from stackyard.model.sdn import Sdn
from stackyard.model.service import Copy, Image, Published, Service
from stackyard.model.site import Site, Source

FOLDER = "sources"
UNNAMED: Source = Source()
"""In place of a source that the site does not name: what is taken is known then, and not from where."""


def folders(area: Path, back_end: Sdn, given: Mapping[str, Source]) -> Iterator[Path]:
    """The folder of the layer of each source, that of the kind which the site names."""
    for name in back_end.sources:
        folder = area / FOLDER / name / given.get(name, UNNAMED).kind
        if folder.is_dir():
            yield folder


def named(service: Service, data: Map, back_end: Sdn, given: Mapping[str, Source]) -> Service:
    """A service, of such ``data``, whose published images have the names that they have in the site's sources."""
    images = {name: _image(each, data["images"][name], back_end, given) for name, each in service.images.items()}
    return service.model_copy(update={"images": images}) if images != service.images else service


def _image(image: Image, data: Map, back_end: Sdn, given: Mapping[str, Source]) -> Image:
    made: dict[str, object] = {}
    source = given.get(image.repository or "")
    if source and source.packages and source.packages.image:
        made |= _of_rpm(image, data, _distribution(source.packages.image))
    if image.published and image.published.source in given:
        made["published"] = _published(image.published, back_end, given)
    if any(each.published.source in given for each in image.copies):
        made["copies"] = tuple(
            each.model_copy(update={"published": _published(each.published, back_end, given)}) for each in image.copies
        )
    return image.model_copy(update=made) if made else image


def _of_rpm(image: Image, data: Map, distribution: Published) -> dict[str, object]:
    """What changes when packages are RPM: an image is made on their distribution, or has files of them copied.

    These are packages of the file that names the repository; what others extract is the release's own.
    """
    if not image.base:
        return {"published": distribution}
    file, packages = data.marks["repository"].file, image.extract.items()
    theirs = {name: paths for name, paths in packages if data["extract"].marks[name].file == file}
    copied = Copy(published=distribution, repository=image.repository, unpack=theirs)
    own = {name: paths for name, paths in packages if name not in theirs}
    return {"copies": (*image.copies, copied), "extract": own, "repository": None}


def _distribution(reference: str) -> Published:
    """The published image of a distribution, by its whole name."""
    name, mark, digest = reference.partition("@")
    if mark:
        return Published(image=name, digest=digest)
    name, _, tag = reference.rpartition(":")
    return Published(image=name, tag=tag)


def _published(image: Published, back_end: Sdn, given: Mapping[str, Source]) -> Published:
    source = given.get(image.source)
    if not source or source.images is None:
        return image
    digest = source.digests.get(image.name)
    prefix = back_end.sources[image.source].prefix if source.prefix is None else source.prefix
    full = f"{source.images}/{prefix}{image.name}" if source.images else f"{prefix}{image.name}"
    named = {"image": full, "digest": digest, "tag": None if digest else source.tag}
    return image.model_copy(update=named)


def taken(services: Mapping[str, Service]) -> dict[str, set[str]]:
    """Source -> names of the published images that are taken from it."""
    found: dict[str, set[str]] = {}
    for service in services.values():
        for image in service.images.values():
            for each in (image.published, *(copy.published for copy in image.copies)):
                if each and each.source:
                    found.setdefault(each.source, set()).add(each.name)
    return found


def problems(site: Site, area: Path, back_end: Sdn, names: Mapping[str, set[str]]) -> Iterator[tuple[Loc, str, str]]:
    """What is wrong with the sources of a site, of which images take ``names``."""
    for name, source in site.sources.items():
        loc: Loc = ("sources", name)
        if name not in back_end.sources:
            remedy = suggest(name, back_end.sources, "it has") if back_end.sources else "leave it out"
            yield loc, f"{back_end.title} takes nothing from a source {name}", remedy
        elif (source.images is None) == (source.packages is None):
            both = "names both images and packages" if source.packages else "names neither images nor packages"
            yield loc, both, "give `images: REGISTRY/PATH` with a `tag:`, or `packages: {url: …, suite: …, key: …}`"
        elif not (area / FOLDER / name / source.kind).is_dir():
            message = f"{back_end.sources[name].title} are not taken from {source.kind} yet"
            yield (*loc, source.kind), message, "name published images: `images: REGISTRY/PATH` with a `tag:`"
        elif source.packages and name in site.repositories:
            yield loc, f"`repositories` has {name}, too", "leave that out: the source is the repository"
        elif source.packages and bool(source.packages.image) == bool(source.packages.suite):
            told = "has both a suite and an image" if source.packages.suite else "has neither a suite nor an image"
            remedy = "give `suite:` of Debian packages, or `image:`, the distribution of RPM packages"
            yield (*loc, "packages"), told, remedy
        else:
            yield from _names(loc, source, names.get(name, set()))


def _names(loc: Loc, source: Source, names: set[str]) -> Iterator[tuple[Loc, str, str]]:
    """Published images have a tag or a digest; digests are of images that are taken."""
    for key in ("prefix", "tag", "digests") if source.packages else ():
        if getattr(source, key):
            yield (*loc, key), "is for published images", "leave it out, or name images"
    for name in source.digests if source.images is not None else ():
        if name not in names:
            yield (*loc, "digests", name), f"no image is made from {name}", suggest(name, sorted(names), "there are")
    if source.images is not None and not source.tag and (missing := sorted(names - source.digests.keys())):
        yield loc, f"neither a tag nor a digest of {some(missing)}", "give `tag:`, or the digest of each"


PROGRAMS = ("command", "base", "published", "python", "packages", "extract", "copies", "maven", "run", "files")
"""Keys of an image that give it programs."""


def empty(name: str, service: Service, back_end: Sdn) -> tuple[str, str] | None:
    """What is wrong with an image of an SDN into which the sources of the site put no programs, and the remedy."""
    of_sources = back_end.sources and service.sdn == back_end.sdn
    if not of_sources or any(getattr(service.images[name], key) for key in PROGRAMS):
        return None
    remedy = "run it on no node, or take published images; a layer of your own can define it, too"
    return f"the sources of the site have nothing for {name}", remedy


def unnamed(image: Image, back_end: Sdn) -> tuple[str, str] | None:
    """What is missing for an image whose programs come from a source that the site does not name, and the remedy."""
    for each in (image.published, *(copy.published for copy in image.copies)):
        if each and each.source and not each.image:
            title = back_end.sources[each.source].title if each.source in back_end.sources else each.source
            remedy = f"add to the site file: sources: {{{each.source}: {{images: REGISTRY/PATH, tag: TAG}}}}"
            return f"the site names no source of {title}", remedy
    return None
