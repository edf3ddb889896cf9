"""Published images that a site needs, copied into its own registry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from stackyard.catalogue import Catalogue
from stackyard.effects.host import Host
from stackyard.errors import CommandError, InputError
from stackyard.events import Report
from stackyard.images import published
from stackyard.images.order import pushed
from stackyard.model.service import Published
from stackyard.model.site import Site


class Copied(NamedTuple):
    """A published image and its copy: the source of the site, the name there, and what the copy is pulled by."""

    source: str
    name: str
    reference: str
    digest: str


def needed(catalogue: Catalogue, site: Site) -> list[Published]:
    """What is taken from sources for the containers that a site has switched on. InputError where one has no name."""
    made = set(catalogue.buildable)
    images = {
        each.image
        for name, each in catalogue.containers.items()
        if each.image in made and site.runs(name, default=not each.optional)
    }
    found: dict[str, Published] = {}
    for name in sorted(images):
        if lack := catalogue.unnamed(name):
            raise InputError(f"{lack[0]}, for {name}", lack[1])
        service, image = catalogue.images[name]
        for level in (service.below(image), image):
            for each in (level.published, *(copy.published for copy in level.copies)):
                if each and each.source:
                    found[each.reference] = each
    return [found[reference] for reference in sorted(found)]


def copy(host: Host, images: Iterable[Published], registry: str, report: Report) -> Iterator[Copied]:
    """Pull each image, and push it below ``registry``; by digest is what counts. Raises CommandError."""
    engine = host.engine
    for each in images:
        found = published.ensure(engine, [each.reference], None, report)[each.reference]
        path, _, name = each.image.rpartition("/")
        tag = each.tag or (each.digest or "").partition(":")[2][:12]
        reference = "/".join(part for part in (registry, path.rpartition("/")[2], f"{name}:{tag}") if part)
        tagged = engine.attempt("image", "tag", found.identifier, reference)
        if tagged.code:
            raise CommandError(f"{reference}: {tagged.stderr.strip()}", "correct `registry:` of the site")
        yield Copied(each.source, each.name, reference, pushed(engine, name, reference, report))


def below(registry: str, images: str) -> str:
    """What `images:` of a source is, once its images are copied below a registry."""
    last = images.rpartition("/")[2]
    return f"{registry}/{last}" if last else registry
