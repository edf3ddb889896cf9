"""Images that the engine lacks, from the site's registry.

The engine pulls, as it is configured and with the client's credentials. An image is kept when it is the one that the
catalogue makes: its labels tell.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from stackyard.catalogue import Catalogue
from stackyard.catalogue.problems import Problems, some
from stackyard.deploy.check import MAKE, not_there
from stackyard.effects.engine import Engine
from stackyard.effects.host import Host
from stackyard.events import Event, Report
from stackyard.images import digests
from stackyard.images.found import inspect, repository
from stackyard.images.identity import Decision, foreign
from stackyard.images.order import Order, order, recorded
from stackyard.images.versions import Records
from stackyard.model.reference import registry
from stackyard.model.site import Site

PARALLEL = 3
"""Images pulled at once; the engine gets several layers of each at a time."""
SUBJECT = "images"


@dataclass(frozen=True)
class Trouble:
    """Why an image is not had, and the remedy; ``{registry}`` stands for its host, ``said`` are the engine's words.

    ``detail`` is about this image alone. What is ``final`` holds for all images of the registry.
    """

    says: str
    remedy: str
    said: str = ""
    detail: str = ""
    final: bool = False


OTHER = Trouble(
    "{registry} has others of these names than this catalogue makes",
    f"{MAKE}; or use the catalogue and the stackyard that those were made with",
)
MISSING = "{registry} has none of these names"
REASONS = (
    (
        r"HTTP response to HTTPS client",
        Trouble(
            "{registry} speaks HTTP, and the engine expects HTTPS",
            "name {registry} in `insecure-registries` of /etc/docker/daemon.json, and restart the engine",
            final=True,
        ),
    ),
    (
        r"x509|certificate",
        Trouble(
            "the engine does not trust {registry}", "put its CA into /etc/docker/certs.d/{registry}/ca.crt", final=True
        ),
    ),
    (
        r"dial tcp|no such host|refused|unreachable|timed? ?out|Client\.Timeout|reset by peer|EOF$",
        Trouble("{registry} does not answer", f"{MAKE}; or start the registry, or correct `registry`", final=True),
    ),
    (
        r"no basic auth|[Uu]nauthorized|authentication|denied|[Ff]orbidden|\b40[13]\b",
        Trouble("{registry} refuses the pull", "sign in as the user that runs this: docker login {registry}"),
    ),
    (
        r"not found|unknown",
        Trouble(MISSING, f"{MAKE}, and --push where the registry is to have them"),
    ),
    (
        r"no space left",
        Trouble("there is no room for them", "free disk space: docker system df tells what takes it", final=True),
    ),
)
"""What engines say when they cannot pull."""
UNCLEAR = Trouble("{registry} does not give them", f"mend that, or {MAKE}")


def pull(host: Host, site: Site, catalogue: Catalogue, references: Sequence[str], report: Report) -> None:
    """Let the engine have these images of the site. Raises InputError with all that it cannot have."""
    begun = time.monotonic()
    names = {catalogue.reference(name, site.registry): name for name in catalogue.images}
    images, versions = [names[each] for each in references], recorded(host, catalogue)
    ordered = order(
        host.engine,
        catalogue,
        images,
        registry=site.registry,
        versions=versions,
        repositories=site.packages,
    )
    known = {name: digest.removeprefix(digests.UNPROVEN) for name, digest in digests.read(host).items()}
    puller = _Puller(host.engine, ordered, versions, known, report)
    report(Event("started", SUBJECT, f"pulling {len(images)} from {registry(references[0])}"))
    digests.update(host, {each: digests.UNPROVEN + known.get(each, "") for each in references})
    with ThreadPoolExecutor(PARALLEL) as pool:
        troubles = [*filter(None, pool.map(puller.get, ordered.decisions))]
    digests.update(host, {each: puller.got.get(each) or known.get(each, "") for each in references})
    _tell(site, troubles)
    report(Event("done", SUBJECT, f"{len(images)} pulled", time.monotonic() - begun))


def _tell(site: Site, troubles: Sequence[tuple[str, Trouble]]) -> None:
    """Raise InputError with what troubles there are, each once, with the images that have it."""
    problems = Problems(source=site.source)
    for trouble in dict.fromkeys(replace(each, detail="") for _reference, each in troubles):
        failed = [(name, each.detail) for name, each in troubles if replace(each, detail="") == trouble]
        shown = some([f"{name} ({detail})" if detail else name for name, detail in failed])
        host = registry(failed[0][0])
        says = trouble.says.format(registry=host) + (f" ({trouble.said})" if trouble.said else "")
        problems.at((), f"{not_there(failed)}, and {says}: {shown}", trouble.remedy.format(registry=host))
    problems.check()


@dataclass
class _Puller:
    """Pulls images of one registry. ``known`` are digests by reference, ``got`` those of images that are there now."""

    engine: Engine
    ordered: Order
    versions: Records
    known: Mapping[str, str]
    report: Report
    got: dict[str, str] = field(default_factory=dict)
    lost: list[Trouble] = field(default_factory=list)

    def get(self, decision: Decision) -> tuple[str, Trouble] | None:
        """Pull one image, by its recorded digest if the registry still has that; returns what went wrong."""
        name, digest = decision.reference, self.known.get(decision.reference)
        if name in self.ordered.found and not self._unfit(name, decision):
            return None
        trouble: Trouble | None = None
        for source in [*([f"{repository(name)}@{digest}"] if digest else []), name]:
            trouble = self.lost[0] if self.lost else self._pull(source, decision)
            if not trouble or trouble.final:
                break
        if trouble and trouble.final:
            self.lost.append(trouble)
            return name, self.lost[0]
        if trouble:
            return name, trouble
        self.report(Event("progress", SUBJECT, f"{len(self.got)} of {len(self.ordered.decisions)}, {name}"))
        return None

    def _pull(self, source: str, decision: Decision) -> Trouble | None:
        """Pull an image by its name or digest; what is not wanted is removed again."""
        result = self.engine.attempt("image", "pull", "--quiet", source)
        if result.code:
            return _trouble(result.stderr, source)
        unfit = self._unfit(source, decision)
        return replace(OTHER, detail=unfit) if unfit else None

    def _unfit(self, source: str, decision: Decision) -> str:
        """Why what the engine has is not what is wanted, and is removed; else it gets its name, and counts as had."""
        found = inspect(self.engine, [source]).get(source)
        if found is None:
            return "the engine has it by another name"
        recorded_here = self.ordered.knows(decision.image, self.versions)
        why = foreign(decision.identity, found.labels, recorded=recorded_here)
        if why:
            self.engine.run("image", "rm", "--force", source)
            return why
        if source != decision.reference:
            self.engine.run("image", "tag", source, decision.reference)
        self.got[decision.reference] = found.digest
        return ""


def _trouble(said: str, source: str) -> Trouble:
    """What an engine's words about an image mean."""
    line = (said.strip().splitlines() or ["no reason given"])[-1]
    words = line.removeprefix("Error response from daemon: ").rpartition('": ')[2]
    found = next((each for pattern, each in REASONS if re.search(pattern, words.replace(source, ""))), UNCLEAR)
    return found if found.says == MISSING else replace(found, said=words)
