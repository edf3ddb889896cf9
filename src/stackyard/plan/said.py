"""What the site file says of variables: who hears it, and what it decides for everybody who shares a fact."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from stackyard.catalogue import Catalogue
from stackyard.catalogue.container import environments, held
from stackyard.catalogue.problems import Loc, Problems, dotted
from stackyard.entrypoint.contract import OSLO, override_of
from stackyard.entrypoint.foreign import owner
from stackyard.entrypoint.values import parse
from stackyard.model.service import Container, Runtime, Variable
from stackyard.model.site import Overrides, Site
from stackyard.secrets import Kind, unfit

if TYPE_CHECKING:
    from stackyard.plan.placement import Choice

DECIDED = ("port", "public")
"""Parts of an endpoint that a site says where the endpoint is served, for everybody."""


@dataclass(frozen=True)
class Said:
    """A value that the site file gives to a variable, or to an option of a service, and where it stands there."""

    name: str
    text: str
    loc: Loc
    option: bool = False


def taken(runtime: Runtime, container: Container) -> dict[str, Variable]:
    """Variables that a container is given in a site: of the opt-in ones those that it asks for."""
    return {name: each for name, each in runtime.contract.items() if not each.opt_in or name in container.opt_in}


def said(catalogue: Catalogue, site: Site, choice: Choice, node: str) -> dict[str, Said]:
    """What the site says to one container: of all that it hears the nearest word, by variable."""
    runtime = catalogue.effective(choice.container.image)
    variables = taken(runtime, choice.container)
    heard = (_meant(catalogue, runtime, variables, each) for each in _words(site, choice, node, _syntax(runtime)))
    return {word.name: word for word in heard if word.option or word.name in variables}


def _syntax(runtime: Runtime) -> str:
    """How an image names options beyond its contract."""
    return runtime.overrides or OSLO


def _meant(catalogue: Catalogue, runtime: Runtime, variables: dict[str, Variable], word: Said) -> Said:
    """A word as a container understands it: a variable of its system that is not in its contract is an option."""
    if word.option or word.name in variables or not runtime.system:
        return word
    return replace(word, option=owner(word.name, environments(catalogue)) == runtime.system)


def _words(site: Site, choice: Choice, node: str, syntax: str) -> Iterator[Said]:
    """All that is said to one container, the farthest first; not all of it is for it."""
    service, here = choice.service.service, site.nodes[node]
    levels: list[tuple[Loc, Overrides | None]] = [
        (("services", service), site.services.get(service)),
        (("containers", choice.name), site.container(choice.name)),
        (("nodes", node), here),
        (("nodes", node, "services", service), here.services.get(service)),
    ]
    for name, text in site.settings.items():
        yield Said(name, text, ("settings", name))
    for loc, level in levels:
        if level:
            yield from _of(level, loc, syntax)


def _of(level: Overrides, loc: Loc, syntax: str) -> Iterator[Said]:
    for name, text in level.environment.items():
        yield Said(name, text, (*loc, "environment", name))
    for group, options in level.options.items():
        for option, value in options.items():
            name = override_of(group, option, syntax)
            yield Said(name, _text(value), (*loc, "options", group, option), option=True)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(_text(each) for each in value) if isinstance(value, (list, tuple)) else str(value)


# ---------------------------------------------------------------- for everybody


def _heard(
    catalogue: Catalogue, site: Site, choices: Iterable[Choice]
) -> Iterator[tuple[Choice, Said, Variable | None]]:
    """Every word with each container that it is said to, and the variable that it is for there."""
    for choice in choices:
        runtime = catalogue.effective(choice.container.image)
        variables = taken(runtime, choice.container)
        for node in choice.nodes:
            for each in _words(site, choice, node.name, OSLO):
                word = _meant(catalogue, runtime, variables, each)
                yield choice, word, variables.get(word.name)


def of_endpoints(catalogue: Catalogue, site: Site, choices: Iterable[Choice]) -> dict[tuple[str, str], Said]:
    """Ports and public URLs that the site says to the container that serves an endpoint, by endpoint and part."""
    found = {}
    for choice, word, variable in _heard(catalogue, site, choices):
        name, part = held(variable) if variable else ("", "")
        if variable and part in DECIDED and catalogue.endpoints[name].container == choice.name and fits(variable, word):
            found[name, part] = word
    return found


def fits(variable: Variable, word: Said) -> bool:
    """Whether a word is a value of the variable's type."""
    try:
        parse(variable.type, word.text, variable.values)
    except ValueError:
        return False
    return True


def of_secrets(catalogue: Catalogue, site: Site, choices: Iterable[Choice], problems: Problems) -> dict[str, str]:
    """Secrets that the site gives, by name: each once, for all containers or for those of the service that owns it."""
    heard: dict[Said, dict[str, Kind]] = {}
    for _, word, variable in _heard(catalogue, site, choices):
        if variable and variable.secret:
            heard.setdefault(word, {})[variable.secret] = variable.generate
    found: dict[str, Said] = {}
    for word, kinds in heard.items():
        owners = sorted({name.partition("/")[0] for name in kinds})
        where = _below(catalogue, owners[0], word.name)
        if len(kinds) > 1:
            all_ = f"{', '.join(owners[:-1])} and {owners[-1]}"
            problems.at(word.loc, f"{all_} each have their own", f"give each its own: {where}")
            continue
        ((name, kind),) = kinds.items()
        if word.loc[0] != "settings" and word.loc[:2] != ("services", owners[0]):
            problems.at(word.loc, "a secret has one value for all that share it", f"write it below {where}")
        elif reason := unfit(kind, word.text):
            problems.at(word.loc, reason, "correct it, or leave it out: one is made")
        elif found.setdefault(name, word).text != word.text:
            problems.at(word.loc, f"{dotted(found[name].loc)} gives it another value", "give it once")
    return {name: word.text for name, word in found.items()}


def _below(catalogue: Catalogue, service: str, name: str) -> str:
    """Where in a site file a variable is given to a service, or to all when that service does not know it."""
    images = catalogue.services[service].images if service in catalogue.services else ()
    if any(name in catalogue.effective(image).contract for image in images):
        return f"`services: {{{service}: {{environment: {{{name}: …}}}}}}`"
    return "`settings`"


def unheard(catalogue: Catalogue, site: Site, choices: Iterable[Choice], problems: Problems) -> None:
    """Of the containers that something is said to, one takes it."""
    spoken: dict[Loc, tuple[Said, bool]] = {}
    for choice, word, variable in _heard(catalogue, site, choices):
        before = spoken.get(word.loc, (word, False))[1]
        heard = word.option or variable is not None or _holds_anyway(catalogue, choice, word)
        spoken[word.loc] = (word, before or heard)
    for word, taken_ in spoken.values():
        if not taken_:
            problems.at(word.loc, "no container that it is said to takes it", _takers(catalogue, choices, word.name))


def _holds_anyway(catalogue: Catalogue, choice: Choice, word: Said) -> bool:
    """Whether it is the default of an image that the container would run if another value were said."""
    runtimes = (catalogue.effective(image) for image in choice.container.possible)
    usual = (taken(runtime, choice.container).get(word.name) for runtime in runtimes)
    return any(variable and variable.default is not None and str(variable.default) == word.text for variable in usual)


def _takers(catalogue: Catalogue, choices: Iterable[Choice], name: str) -> str:
    """Remedy for a word that nobody takes: who would, or what became of the variable."""
    for choice in choices:
        if name in taken(catalogue.effective(choice.container.image), choice.container):
            return f"{choice.name} takes it: write it below {_below(catalogue, choice.service.service, name)}"
    reasons = (catalogue.effective(image).removed.get(name) for image in catalogue.images)
    return ": ".join(("leave it out", *(each for each in list(filter(None, reasons))[:1])))
