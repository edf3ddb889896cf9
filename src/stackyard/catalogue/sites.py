"""Reading a site file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

from stackyard.catalogue import contents, networks, programs
from stackyard.catalogue.catalogue import Catalogue
from stackyard.catalogue.container import environments
from stackyard.catalogue.load import defaults, load, releases, sdns
from stackyard.catalogue.problems import Loc, Problems, locate, near, shown, suggest
from stackyard.catalogue.root import catalogue_root
from stackyard.catalogue.secret_files import with_secrets
from stackyard.catalogue.validate import parse
from stackyard.catalogue.yamlsource import read
from stackyard.entrypoint.contract import is_secret_key
from stackyard.entrypoint.foreign import owner
from stackyard.entrypoint.values import mask_credentials
from stackyard.entrypoint.values import parse as parse_value
from stackyard.errors import InputError
from stackyard.model.publish import Address
from stackyard.model.sdn import Sdn
from stackyard.model.service import Container, Service
from stackyard.model.site import ContainerOverrides, Network, Overrides, Repository, Site

_OPTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_NODE = re.compile(r"[a-z][a-z0-9-]{0,30}")
OTHERWISE = "otherwise"
"""Key of the image that a container runs when nothing of its `instead` holds; in what is decided for a site."""


def load_site(path: Path, root: Path | None = None) -> Site:
    """A site file. Raises InputError with all problems."""
    return _read(path, root or catalogue_root())


def open_site(reference: str = "demo", root: Path | None = None) -> tuple[Site, Catalogue]:
    """A site by name or file, with its catalogue, checked against each other.

    Raises InputError with all problems.
    """
    root = root or catalogue_root()
    path = site_path(reference, root)
    site = _read(path, root)
    structure = path.parent / site.structure if site.structure else None
    catalogue = load(root, site.release, site.sdn, structure, _own(path, site), sources=site.sources)
    problems = Problems(source=site.source)
    area = sdns(root)[site.sdn].parent
    for loc, message, remedy in programs.problems(site, area, catalogue.back_end, programs.taken(catalogue.defined)):
        problems.at(loc, message, remedy)
    site = with_secrets(catalogue, _switched(catalogue, site), path.parent, problems)
    catalogue = _chosen(catalogue, site)
    _against(catalogue, site, problems)
    problems.check()
    return site, catalogue


def site_path(reference: str, root: Path | None = None) -> Path:
    """File of a site given by NAME (in the catalogue) or FILE. Raises InputError when there is none."""
    folder = (root or catalogue_root()) / "sites"
    if "/" in reference or reference.endswith((".yaml", ".yml")):
        return Path(reference)
    named = folder / f"{reference}.yaml"
    if not named.is_file():
        remedy = suggest(reference, sorted(path.stem for path in folder.glob("*.yaml")), "give a file, or one of")
        raise InputError(f"there is no site {reference} in {folder}", remedy)
    return named


def _read(path: Path, root: Path) -> Site:
    """A site, checked in itself, that knows where it was read."""
    problems = Problems()
    problems.source = data = read(path, problems)
    site = parse(Site, data, problems) if data is not None else None
    if site:
        own = _own(path, site)
        if own and not own.is_dir():
            problems.at(("catalogue",), f"there is no folder {shown(own)}", "make it, or correct the name")
        structure = path.parent / (site.structure or path.name)
        if not structure.is_file():
            problems.at(("structure",), f"there is no file {shown(structure)}", "make it, or correct the name")
        site = _located(_complete(site, root, problems), path.parent)
        for loc, message, remedy in (
            *networks.problems(site),
            *_nodes(site),
            *_repositories(site),
            *contents.problems(site),
        ):
            problems.at(loc, message, remedy)
    problems.check()
    assert site  # noqa: S101 - else problems.check() has raised
    return site.read_from(data)


def _own(path: Path, site: Site) -> Path | None:
    """The folder that a site's file names as its own layer of the catalogue."""
    return path.parent / site.catalogue if site.catalogue else None


Found = Iterator[tuple[Loc, str, str]]


def _complete(site: Site, root: Path, problems: Problems) -> Site:
    """The site with the SDN and the encapsulation that it has when it names none; all that it names is there."""
    if site.release not in releases(root):
        remedy = suggest(site.release, releases(root), "there is")
        problems.at(("release",), f"there is no release {site.release}", remedy)
    known = sdns(root)
    sdn = site.sdn or defaults(root, problems).sdn or next(iter(known), "")
    if sdn not in known:
        problems.at(("sdn",), f"there is no SDN {sdn}", suggest(sdn, known, "there is"))
        return site
    data = read(known[sdn], problems)
    back_end = parse(Sdn, data, problems) if data is not None else None
    problems.check()
    possible = back_end.encapsulations if back_end else ()
    encapsulation = site.encapsulation or next(iter(possible), "")
    if back_end and encapsulation not in possible:
        remedy = suggest(encapsulation, possible, "it has")
        problems.at(("encapsulation",), f"{back_end.title} has no {encapsulation}", remedy)
    return site.model_copy(update={"sdn": sdn, "encapsulation": encapsulation})


def _located(site: Site, folder: Path) -> Site:
    """The site with the keys of its repositories, and the files of its images, where they are."""

    def found(repository: Repository) -> Repository:
        return repository.model_copy(update={"key": folder / repository.key}) if repository.key else repository

    repositories = {name: found(each) for name, each in site.repositories.items()}
    sources = {
        name: each.model_copy(update={"packages": found(each.packages)}) if each.packages else each
        for name, each in site.sources.items()
    }
    located = contents.located(site.contents, folder) if site.contents else None
    return site.model_copy(update={"repositories": repositories, "sources": sources, "contents": located})


def _repositories(site: Site) -> Found:
    """A package repository is signed by a key that is there, or said not to be."""
    found: dict[Loc, Repository] = {("repositories", name): each for name, each in site.repositories.items()}
    found |= {("sources", name, "packages"): each.packages for name, each in site.sources.items() if each.packages}
    for loc, repository in found.items():
        if repository.unsigned == bool(repository.key):
            message = "is unsigned and has a key" if repository.key else "has no key"
            yield loc, message, "give `key: FILE`, the public key that signs it, or `unsigned: true`"
        elif repository.key and not repository.key.is_file():
            yield (*loc, "key"), f"there is no file {shown(repository.key)}", "name the public key that signs it"


def _nodes(site: Site) -> Found:
    """Nodes have names and addresses of their own."""
    seen: dict[Address, str] = {}
    for name, node in site.nodes.items():
        loc: Loc = ("nodes", name)
        if not _NODE.fullmatch(name):
            yield loc, "not a name for a node", "start with a letter; lower-case letters, digits and dashes"
        if not node.roles:
            yield (*loc, "roles"), "a node without a role", "name roles, groups or services of the catalogue"
        for key, network in (("management", site.networks.management), ("tunnel", site.networks.tunnel)):
            address: Address | None = getattr(node, key)
            if address is None:
                continue
            yield from _address((*loc, key), address, network)
            if address in seen:
                yield (*loc, key), f"{address} is the address of {seen[address]} already", "give each its own"
            seen.setdefault(address, f"nodes.{name}.{key}")


def _address(loc: Loc, address: Address, network: Network) -> Found:
    """A node's address is one that the network has to give."""
    first, last = network[0] + 2, network[-1] - 1
    if address not in network:
        yield loc, f"{address} is outside the network {network}", f"choose one from {first} to {last}"
    elif not int(first) <= int(address) <= int(last):
        message = f"{address} is not for a node: the first two and the last of {network} have uses of their own"
        yield loc, message, f"choose one from {ip_address(int(first))} to {ip_address(int(last))}"


def _switched(catalogue: Catalogue, site: Site) -> Site:
    """The site with each container that it switches on or off by the name of a service."""
    containers: dict[str, bool | ContainerOverrides] = {}
    for name, said in site.containers.items():
        service = catalogue.defined.get(name)
        if service and name not in service.containers and isinstance(said, bool):
            optional = [each for each, container in service.containers.items() if container.optional]
            containers |= {each: said for each in optional if each not in site.containers}
            if optional:
                continue
        containers[name] = said
    return site.model_copy(update={"containers": containers})


def _chosen(catalogue: Catalogue, site: Site) -> Catalogue:
    """The catalogue whose containers run the images that they have in this site."""

    def image(service: Service, name: str, container: Container) -> str:
        found = (i for what, i in container.instead.items() if _says(catalogue, site, service, name, what))
        return next(found, container.image)

    def decided(service: Service, name: str, container: Container) -> Container:
        if not container.instead:
            return container
        # Every image knows what it may run as, whatever the site: one that is built for a site is good for all.
        instead = {**container.instead, OTHERWISE: container.image}
        return container.model_copy(update={"image": image(service, name, container), "instead": instead})

    def chosen(service: Service) -> Service:
        made = {name: decided(service, name, each) for name, each in service.containers.items()}
        return service.model_copy(update={"containers": made})

    services, defined = (
        {name: chosen(each) for name, each in table.items()} for table in (catalogue.services, catalogue.defined)
    )
    return replace(catalogue, services=services, defined=defined, _remembered={})


def _says(catalogue: Catalogue, site: Site, service: Service, container: str, what: str) -> bool:
    """Whether a site runs the container, or gives the value, on which the image of a container depends."""
    word, equals, value = what.partition("=")
    if not equals:
        found = catalogue.containers.get(what)
        return found is not None and site.runs(what, default=not found.optional)
    other, _, variable = word.rpartition(".")
    levels = (None if other else site.container(container), site.services.get(other or service.service))
    given = [level.environment[variable] for level in levels if level and variable in level.environment]
    return [*given, site.settings.get(variable)][0] == value


def _against(catalogue: Catalogue, site: Site, problems: Problems) -> None:
    """The site names services, containers and variables that the catalogue has."""
    containers = catalogue.containers
    optional = [name for name, each in containers.items() if each.optional]
    for name, said in site.containers.items():
        switched = not isinstance(said, ContainerOverrides) or said.enabled is not None
        if name not in containers:
            remedy = f"write it below `services: {{{name}: …}}`" if name in catalogue.services else ""
            remedy = remedy or catalogue.foreign.explained(name) or suggest(name, containers, "there are")
            problems.at(("containers", name), f"there is no container `{name}`", remedy)
        elif switched and name not in optional:
            message, remedy = f"{name} is not optional", suggest(name, optional, "optional ones")
            problems.at(("containers", name), message, remedy)
    _urls(catalogue, site, problems)
    _settings(catalogue, site, problems)
    _roles(catalogue, site, problems)
    for loc, level, images in _levels(catalogue, site):
        if loc[-2] == "services" and loc[-1] not in catalogue.services:
            name = str(loc[-1])
            remedy = f"it is a container: write it below `containers: {{{name}: …}}`" if name in containers else ""
            remedy = remedy or catalogue.foreign.explained(name) or suggest(name, catalogue.services, "there are")
            problems.at(loc, f"there is no service `{name}`", remedy)
        else:
            _overrides(catalogue, loc, level, [image for image in images if image in catalogue.images], problems)


def _urls(catalogue: Catalogue, site: Site, problems: Problems) -> None:
    """Public URLs are of endpoints that are published."""
    known = [name for name, endpoint in catalogue.endpoints.items() if endpoint.public]
    for name in site.publish.urls:
        if name not in known:
            what = f"{name} is not published" if name in catalogue.endpoints else f"there is no endpoint `{name}`"
            problems.at(("publish", "urls", name), what, suggest(name, known, "published ones are"))


def _roles(catalogue: Catalogue, site: Site, problems: Problems) -> None:
    """Nodes name roles, groups and services that there are."""
    known = {*catalogue.roles, *catalogue.defined, *(each.group for each in catalogue.containers.values())}
    for name, node in site.nodes.items():
        for index, role in enumerate(node.roles):
            if role not in known:
                message = f"there is no role, group or service `{role}`"
                remedy = catalogue.foreign.explained(role) or suggest(role, sorted(known), "there are")
                problems.at(("nodes", name, "roles", index), message, remedy)


def _levels(catalogue: Catalogue, site: Site) -> Iterator[tuple[Loc, Overrides, list[str]]]:
    """Where the site says something beyond the catalogue, and the images that it is about."""
    for name, each in site.services.items():
        yield ("services", name), each, _images_of(catalogue, name)
    for name, node in site.nodes.items():
        yield ("nodes", name), node, list(catalogue.images)
        for key, part in node.services.items():
            yield ("nodes", name, "services", key), part, _images_of(catalogue, key)
    for name in site.containers:
        own = site.container(name)
        if own and name in catalogue.containers:
            yield ("containers", name), own, [catalogue.containers[name].image]


def _images_of(catalogue: Catalogue, service: str) -> list[str]:
    return list(catalogue.services[service].images) if service in catalogue.services else []


def _settings(catalogue: Catalogue, site: Site, problems: Problems) -> None:
    """Variables for every container that knows them."""
    runtimes = [catalogue.effective(image) for image in catalogue.images]
    taken = {name for each in runtimes for name in each.contract}
    removed = {name: text for each in runtimes for name, text in each.removed.items() if name not in taken}
    for name, text in site.settings.items():
        loc = ("settings", name)
        if name.startswith("OS_") and "__" in name:
            remedy = "write it below the service: `services: {NAME: {options: {GROUP: {option: value}}}}`"
            problems.at(loc, f"{name} is an option of one service, not a variable of all", remedy)
        elif name in removed:
            problems.at(loc, f"{name} is removed", removed[name])
        elif name not in catalogue.known and not _of_system(catalogue, catalogue.images, name):
            problems.at(loc, f"no container knows the variable {name}", _meant(catalogue, name, catalogue.known))
        elif message := _refused(catalogue, catalogue.images, name, text):
            problems.at(loc, message, "correct the value")


def _overrides(catalogue: Catalogue, loc: Loc, level: Overrides, images: Iterable[str], problems: Problems) -> None:
    """Variables and options of some images."""
    contracts = {name for image in images for name in catalogue.effective(image).contract}
    for name, text in level.environment.items():
        at = (*loc, "environment", name)
        if name not in contracts and not _of_system(catalogue, images, name):
            problems.at(at, f"nothing of {loc[-1]} knows the variable {name}", _meant(catalogue, name, contracts))
        else:
            _value(catalogue, images, at, text, problems)
    takes = any(catalogue.effective(image).overrides not in {None, "none"} for image in images)
    if level.options and (loc[0] == "nodes" and len(loc) == len(("nodes", "name"))):
        remedy = "write them below `services: {NAME: {options: …}}` of the node"
        problems.at((*loc, "options"), "options belong to a service", remedy)
    elif level.options and not takes:
        remedy = f"it takes variables: {', '.join(sorted(contracts))}"
        problems.at((*loc, "options"), f"{loc[-1]} takes no options", remedy)
    for group, options in level.options.items():
        for option, value in options.items():
            at = (*loc, "options", group, option)
            if is_secret_key(option) or mask_credentials(str(value)) != str(value):
                remedy = "leave it out: the tool makes secrets of services and gives them as files"
                problems.at(at, "a secret, which everybody could read in the container's environment", remedy)
            elif not _OPTION.fullmatch(option) or not _OPTION.fullmatch(group):
                problems.at(at, f"`[{group}] {option}` is no name of an option", "letters, digits, '_' and '-'")


def _of_system(catalogue: Catalogue, images: Iterable[str], name: str) -> bool:
    """Whether one of the images has the variables of another system for its own, this one among them.

    None is a secret, an earlier name of another variable, or removed.
    """
    theirs = [each for image in images if (each := catalogue.effective(image)).system]
    if is_secret_key(name) or owner(name, environments(catalogue)) not in {each.system for each in theirs}:
        return False
    past = (*(each.removed for each in theirs), *(v.aliases for each in theirs for v in each.contract.values()))
    return not any(name in names for names in past)


def _meant(catalogue: Catalogue, name: str, names: Iterable[str]) -> str:
    """Which variable a name stands for that nobody knows."""
    contracts = (catalogue.effective(image).contract for image in catalogue.images)
    now = next((now for each in contracts for now, variable in each.items() if name in variable.aliases), None)
    if now:
        return f"it is {now} now"
    if whose := owner(name, environments(catalogue)):
        return f"leave it out: it belongs to {whose}"
    return near(name, names) or "`stackyard explain IMAGE` lists the variables of an image"


def _value(catalogue: Catalogue, images: Iterable[str], at: Loc, text: str, problems: Problems) -> None:
    """A variable has a value that all take, and that is written as YAML reads it: 0777 is 511, and `yes` is true."""
    name, written = str(at[-1]), locate(problems.source, at)[0].text
    types = {each.type for image in images if (each := catalogue.effective(image).contract.get(name))}
    if message := _refused(catalogue, images, name, text):
        problems.at(at, message, "correct the value")
    elif written not in {None, text} and types != {"bool"}:
        problems.at(at, "YAML reads it as a number or a truth value, and changes it", "put it in quotes")


def _refused(catalogue: Catalogue, images: Iterable[str], name: str, text: str) -> str:
    """Why one of the images does not take a value of a variable, or nothing."""
    for image in images:
        variable = catalogue.effective(image).contract.get(name)
        try:
            parse_value(variable.type if variable else "str", text, variable.values if variable else ())
        except ValueError as error:
            return str(error)
    return ""
