"""Public URLs: what an endpoint is known as from outside, and where the same answers on this host."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from ipaddress import IPv4Address, IPv6Address

from stackyard.catalogue.problems import Problems, dotted
from stackyard.entrypoint.endpoints import Endpoint
from stackyard.entrypoint.expressions import hostport
from stackyard.model.publish import Publish
from stackyard.model.service import Endpoint as Definition
from stackyard.model.site import Site
from stackyard.plan.resolved import PublicUrl
from stackyard.plan.said import Said

_LOOPBACKS = {4: "127.0.0.1", 6: "::1"}


def public_urls(
    definitions: Mapping[str, Definition],
    site: Site,
    endpoints: Mapping[str, Endpoint],
    changed: Mapping[tuple[str, str], Said],
    host: str,
) -> dict[str, PublicUrl]:
    """Endpoint -> its public URL, of those that have one.

    The nearest word wins: one said to the container that serves it, `publish.urls`, or else the rule: scheme, address
    and port. ``host`` is the address that other machines reach the host at.
    """
    local = _reached(site.publish.listens, "")
    outside = site.publish.named or _reached(site.publish.address, host)
    found = {}
    for name, endpoint in endpoints.items():
        definition = definitions[name]
        if definition.public:
            port = endpoint.port + site.publish.offset
            base = site.publish.urls.get(name) or f"{_scheme(site.publish, definition)}://{hostport(outside, port)}"
            word = changed.get((name, "public"))
            path = endpoint.path if not word or word.text.endswith(endpoint.path) else ""
            base = (word.text if word else base).removesuffix(endpoint.path)
            here = f"{definition.scheme}://{hostport(local, port)}"
            direct = base == f"{definition.scheme}://{hostport(outside, port)}" and _comes_here(site.publish)
            registered = definition.registered is not None
            found[name] = PublicUrl(name, endpoint.title, base, path, here, registered, direct)
    return found


def _reached(address: IPv4Address | IPv6Address | str, host: str) -> str:
    """What calls an address: of all that a host has, ``host``, or the one that only itself has."""
    if isinstance(address, str):
        return address
    return (host or _LOOPBACKS[address.version]) if address.is_unspecified else str(address)


def _comes_here(publish: Publish) -> bool:
    """Whether what is sent to the site's address arrives where the ports are, if a name is one of this host."""
    if publish.named:
        return not publish.listens.is_loopback
    return publish.listens.is_unspecified or publish.listens == publish.address


def _scheme(publish: Publish, definition: Definition) -> str:
    """What a proxy speaks in place of HTTP; it changes nothing of what speaks something else."""
    return publish.scheme if definition.scheme == "http" else definition.scheme


def contradictions(
    site: Site,
    found: Mapping[str, PublicUrl],
    published: Collection[str],
    changed: Mapping[tuple[str, str], Said],
    problems: Problems,
) -> None:
    """A URL of the site is of an endpoint that is published, by one of its nodes, and of one only."""
    bases: dict[str, str] = {}
    for name in site.publish.urls:
        loc, word = ("publish", "urls", name), changed.get((name, "public"))
        if name not in found:
            continue  # told when the site was read
        if name not in published:
            problems.at(loc, f"no node of the site serves {name}", "leave it out")
        elif word and found[name].base != site.publish.urls[name].removesuffix(found[name].path):
            problems.at(word.loc, f"`{dotted(loc)}` says {site.publish.urls[name]}", "say it once")
        other = bases.setdefault(found[name].base, name)
        if other != name:
            problems.at(loc, f"{found[name].base} is the URL of {other} already", "give each its own path")
