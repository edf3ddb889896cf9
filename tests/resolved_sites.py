"""Sites that are resolved without an engine."""

from collections.abc import Callable
from pathlib import Path

from stackyard.bundle import Bundle, bundle
from stackyard.catalogue import open_site
from stackyard.model.site import Site
from stackyard.plan.facts import HostFacts
from stackyard.plan.resolve import resolve
from stackyard.plan.resolved import ResolvedSite
from stackyard.secrets import Holder, Secret, Secrets

TOY = Path(__file__).parent / "engine" / "toy" / "catalogue"
FACTS = HostFacts(cgroups=("cpuset", "memory"), devices=frozenset({"/dev/kvm"}), address="192.0.2.1")

Resolve = Callable[..., ResolvedSite]


class Counted(Secrets):
    """Secrets that are the same each time."""

    def __init__(self) -> None:
        numbers = iter(range(1000))
        super().__init__(make=lambda kind: f"made-{kind}-{next(numbers)}")

    def certificate(self, name: str, holder: Holder) -> Secret:
        return Secret(f"made-certificate-{name}@{holder.node}-{holder.address}")


def counted() -> Secrets:
    return Counted()


def resolved(reference: str, root: Path | None = None, facts: HostFacts = FACTS, **changes: object) -> ResolvedSite:
    site, catalogue = open_site(reference, root)
    site = Site.model_validate({**site.model_dump(mode="json"), **changes})
    return resolve(catalogue, site, facts, counted())


def rendered(site: ResolvedSite) -> Bundle:
    return bundle(site, b"key")
