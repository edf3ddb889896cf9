"""What must hold between the files of a catalogue, beyond the form of each."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from stackyard.catalogue.catalogue import CONCATENATED, LOCKS, Catalogue
from stackyard.catalogue.container import endpoints, held
from stackyard.catalogue.problems import Loc, Problems, locate, near, shown, suggest
from stackyard.catalogue.sources import sources
from stackyard.catalogue.yamlsource import Map
from stackyard.entrypoint.expressions import is_expression
from stackyard.entrypoint.values import parse
from stackyard.model.service import Container, Image, Runtime, Service, Variable

SCRIPTS = "/opt/stackyard/container/"
"""Where an image has the scripts of its service."""
STANDARD = ("OS_", "PYTHON", "LC_")
"""Beginnings of variables that any container may be given."""

GIVEN = ("hosts", "port", "url", "public")
"""Parts of an endpoint that a site gives a value to."""


class _Place:
    """A file's data, to note problems at paths of it."""

    def __init__(self, data: Map, problems: Problems) -> None:
        self.data = data
        self.problems = problems

    def add(self, loc: Loc, message: str, remedy: str) -> None:
        """Note a problem at ``loc``."""
        self.problems.add(locate(self.data, loc)[0], loc, message, remedy)

    def at(self, loc: Loc) -> Any:
        """Value at ``loc``, which exists."""
        value: Any = self.data
        for part in loc:
            value = value[part]
        return value


def structure(data: Map, problems: Problems) -> None:
    """A base has subs, a sub has none, and each name stands there once; of data that has the form."""
    below: dict[str, str] = {}
    told: set[str] = set()
    containers = data["containers"]
    for base, subs in containers.items():
        for index, sub in enumerate(subs or ()):
            loc: Loc = ("containers", base, index)
            mark = locate(data, loc)[0]
            if sub in below:
                problems.add(mark, loc, f"{sub} is a sub of {below[sub]} already", "list it once")
            elif sub in containers and sub not in told:
                again = _cycle(containers, sub)
                told |= set(again)  # told once, not again from each of its members
                problem = f"a cycle: {' -> '.join(again)}" if again else f"{sub} is listed as a base too"
                remedy = f"list {sub} once, as a base or as a sub of {base}" if sub != base else "leave it out here"
                problems.add(mark, loc, problem, remedy)
            below.setdefault(sub, base)


def _cycle(containers: Map, start: str) -> list[str]:
    """The way from ``start`` back to itself, or nothing."""
    ways = [[start]]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        for sub in containers.get(way[-1]) or ():
            if sub == start:
                return [*way, sub]
            if sub not in seen:
                seen.add(sub)
                ways.append([*way, sub])
    return []


def against_structure(data: Map, images: Mapping[str, tuple[Service, Image]], problems: Problems) -> None:
    """The structure names images that exist, each below the base that its service gives it."""
    here = _Place(data, problems)
    for base, subs in data["containers"].items():
        _placed(here, ("containers", base), base, None, images)
        for index, sub in enumerate(subs or ()):
            _placed(here, ("containers", base, index), sub, base, images)


def _placed(here: _Place, loc: Loc, name: str, base: str | None, images: Mapping[str, tuple[Service, Image]]) -> None:
    """One name of the structure."""
    if name not in images:
        remedy = near(f"{base}-{name}", images) if base else ""
        here.add(loc, f"no service has an image `{name}`", remedy or suggest(name, images, "images"))
        return
    wanted = images[name][1].base
    if wanted and wanted != base:
        where = f"below {base}" if base else "without its base"
        here.add(loc, f"{name} is a sub of {wanted} and stands {where}", f"list it below `{wanted}:`")
    elif base and not wanted:
        remedy = f"give it a line of its own, or write `base: {base}` in its service.yaml"
        here.add(loc, f"{name} is not a sub of {base}", remedy)


def locks(catalogue: Catalogue, structure_data: Map, services: Mapping[str, Map], problems: Problems) -> None:
    """The release has a lock for every image that wants one."""
    for name in LOCKS:
        _lock(catalogue, name, _Place(structure_data, problems), ("containers",))
    for name, (service_, image) in catalogue.images.items():
        for lock in image.locks:
            _lock(catalogue, lock, _Place(services[service_.service], problems), ("images", name, "python"))


def _lock(catalogue: Catalogue, name: str, here: _Place, loc: Loc) -> None:
    file = catalogue.lock(name)
    if not file.is_file():
        message = f"release {catalogue.release} has no lock file {shown(file)}"
        here.add(loc, message, f"make it: tools/lock {catalogue.release}")


def names(data: Map, made: Service, folder: str, problems: Problems) -> None:
    """A service is called as its folder is; a sub's base is an image of the same service, and no sub itself."""
    here = _Place(data, problems)
    if made.service != folder:
        here.add(("service",), f"its folder is called {folder}", f"write `service: {folder}`")
    for name, image in made.images.items():
        loc: Loc = ("images", name, "base")
        if image.base is None:
            continue
        if image.base not in made.images:
            remedy = suggest(image.base, made.images, "images")
            here.add(loc, f"there is no image `{image.base}` in this service", remedy)
        elif made.images[image.base].base is not None:
            here.add(loc, f"{image.base} is a sub itself", "name the base of both")


def containers_once(services: Mapping[str, Map], problems: Problems) -> None:
    """No two services have a container of the same name."""
    seen: dict[str, str] = {}
    for name, data in services.items():
        for container in data.get("containers") or ():
            if container in seen:
                message = f"service {seen[container]} has a container of this name already"
                _Place(data, problems).add(("containers", container), message, "choose another name")
            seen.setdefault(container, name)


def service(catalogue: Catalogue, data: Map, made: Service, problems: Problems, *, strict: bool) -> None:
    """One service: its images, its containers and what they refer to."""
    here = _Place(data, problems)
    _runtime(catalogue, here, made, made, ())
    for name, image in made.images.items():
        _runtime(catalogue, here, made, image, ("images", name))
        _patches(catalogue, here, made, name)
        if name in catalogue.images:
            _expressions(here, made, name, catalogue.effective(name))
    _endpoints(here, made)
    for loc, level in (((), made), *((("images", name), each) for name, each in made.images.items())):
        _names(catalogue, here, level, loc)
    for name in made.images:
        if name in catalogue.images:
            _knows(catalogue, here, name)
    for at, message, remedy in sources(catalogue, made):
        here.add(at, message, remedy)
    for name, container in made.containers.items():
        _container(catalogue, here, container, ("containers", name), strict=strict)


def _runtime(catalogue: Catalogue, here: _Place, made: Service, level: Runtime, loc: Loc) -> None:
    """Files that are there, variables and probes that make sense."""
    folders = catalogue.folders[made.service]
    for target, template in level.templates.items():
        if not _file(template.source, (*folders, catalogue.fragment_templates)):
            _missing(here, (*loc, "templates", target), template.source, folders)
    for target, source in level.files.items():
        if not _file(source, folders):
            _missing(here, (*loc, "files", target), source, folders)
    for name, variable in level.contract.items():
        for message, remedy in _variable(variable):
            here.add((*loc, "contract", name), message, remedy)


def _endpoints(here: _Place, made: Service) -> None:
    """Endpoints are served by containers of the service."""
    for name, endpoint in made.endpoints.items():
        if endpoint.container not in made.containers:
            remedy = suggest(endpoint.container, made.containers, "containers")
            message = f"there is no container `{endpoint.container}` in this service"
            here.add(("endpoints", name, "container"), message, remedy)


def _names(catalogue: Catalogue, here: _Place, level: Runtime, loc: Loc) -> None:
    """What is waited for, asked and held by name is there."""
    for name, variable in level.contract.items():
        _known(here, (*loc, "contract", name, "endpoint"), "endpoint", held(variable)[0], catalogue.endpoints)
        _known(here, (*loc, "contract", name, "fixed_by"), "endpoint", variable.fixed_by, catalogue.endpoints)
    for index, step in enumerate(level.bootstrap):
        _known(here, (*loc, "bootstrap", index, "marker"), "endpoint", step.marker, catalogue.endpoints)
    jobs = [name for name, each in catalogue.containers.items() if each.job]
    for index, wait in enumerate(level.wait_for):
        at: Loc = (*loc, "wait_for", index)
        given = [kind for kind in ("endpoint", "job", "container") if getattr(wait, kind) is not None]
        if len(given) != 1:
            here.add(at, f"waits for {' and '.join(given) or 'nothing'}", "give one of endpoint, job, container")
        _known(here, (*at, "endpoint"), "endpoint", wait.endpoint, catalogue.endpoints)
        _known(here, (*at, "job"), "job", wait.job, jobs)
        _known(here, (*at, "container"), "container", wait.container, catalogue.containers)
    _known(here, (*loc, "health", "through"), "container", getattr(level.health, "through", None), catalogue.containers)


def _known(here: _Place, loc: Loc, what: str, name: str | None, names: Collection[str]) -> None:
    """A name that something refers to is one that there is."""
    if name and name not in names:
        here.add(loc, f"there is no {what} `{name}`", suggest(name, names, f"{what}s"))


def _knows(catalogue: Catalogue, here: _Place, name: str) -> None:
    """An image has variables of the endpoints that it waits for and asks, and can tell whether a job is done."""
    known = endpoints(catalogue, name)
    reachable = {each for each, entry in known.items() if {"hosts", "url"} & entry["variables"].keys()}
    runtime = catalogue.effective(name)
    probes = [wait.ready or wait for wait in runtime.wait_for] + ([runtime.health] if runtime.health else [])
    asked = [getattr(probe, key, None) for probe in probes for key in ("endpoint", "connected", "standby")]
    asked += [step.marker for step in runtime.bootstrap]
    for endpoint in sorted({each for each in asked if each in catalogue.endpoints} - reachable):
        message = f"{name} asks the endpoint {endpoint} and has no variable with its hosts"
        here.add(("images", name), message, f"add one with `endpoint: {endpoint}.hosts` to its contract, or `uses:` it")
    for wait in runtime.wait_for:
        job = catalogue.containers.get(wait.job or "")
        if job and not wait.ready and not any(step.marker for step in catalogue.effective(job.image).bootstrap):
            message = f"{name} waits for {wait.job}, and no database remembers what that does"
            here.add(("images", name), message, "say with `ready:` how to ask, or give its steps a `marker:`")
        there = catalogue.containers.get(wait.container or "")
        health = catalogue.effective(there.image).health if there and not wait.ready else None
        scripts = [word.removeprefix(SCRIPTS) for word in getattr(health, "exec", ()) if word.startswith(SCRIPTS)]
        if any(not catalogue.file(catalogue.find(name)[0].service, script) for script in scripts):
            message = f"{name} waits for {wait.container}, whose health is asked by a script of its own, {scripts[0]}"
            here.add(("images", name), message, "say with `ready:` how to ask")
    jobs = [catalogue.effective(catalogue.containers[job].image) for job in _awaited(catalogue, runtime)]
    steps = [step for each in (runtime, *jobs) for step in each.bootstrap]
    for variable in sorted({each for step in steps for each in step.values} - runtime.contract.keys()):
        message = f"{name} has, or waits for, a step that is done with `{variable}`, which is not in its contract"
        here.add(("images", name), message, near(variable, runtime.contract) or "add it to the contract")


def _awaited(catalogue: Catalogue, runtime: Runtime) -> list[str]:
    """The jobs that an image waits for by what their database remembers."""
    return [wait.job for wait in runtime.wait_for if wait.job in catalogue.containers and not wait.ready]


def _patches(catalogue: Catalogue, here: _Place, made: Service, name: str) -> None:
    """Patches are files, and there is something for them to change."""
    image, folders = made.images[name], catalogue.folders[made.service]
    for index, patch in enumerate(image.patches):
        if not _file(patch, folders):
            _missing(here, ("images", name, "patches", index), patch, folders)
    if image.patches and not (image.locks or (image.base and made.images[image.base].locks)):
        here.add(
            ("images", name, "patches"), "there are no Python packages to patch", "give the image a lock: `python:`"
        )


def _expressions(here: _Place, made: Service, name: str, effective: Runtime) -> None:
    """What an image evaluates refers to variables of its contract."""
    levels: list[tuple[Loc, Runtime]] = [((), made), (("images", name), made.images[name])]
    for key in ("command", "pre_start", "post_start", "wait_for", "health", "bootstrap"):
        given = [at for at, level in levels if key in level.model_fields_set]
        for at in given if key in CONCATENATED else given[-1:]:
            for loc, word in _unknown((*at, key), here.at((*at, key)), effective):
                remedy = near(word, effective.contract) or "add it to the contract"
                here.add(loc, f"`{word}` is not in the contract of {name}", remedy)


_EXPRESSION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_VARIABLE = re.compile(r"\b[A-Z][A-Z0-9_]+\b")


def _unknown(at: Loc, value: Any, effective: Runtime) -> Iterator[tuple[Loc, str]]:
    """Variables that the strings in a value refer to and the contract does not have, with where they are."""
    if isinstance(value, str):
        for body in _EXPRESSION.findall(value):
            words = _VARIABLE.findall(_QUOTED.sub("", body))
            yield from ((at, word) for word in words if word not in effective.contract)
    elif isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _unknown((*at, key), item, effective)


def _file(source: str, folders: tuple[Path, ...]) -> bool:
    return any((folder / source).is_file() for folder in folders)


def _missing(here: _Place, loc: Loc, source: str, folders: tuple[Path, ...]) -> None:
    there = sorted(path.name for folder in folders for path in folder.iterdir() if path.name != "service.yaml")
    here.add(loc, f"there is no file `{source}`", suggest(source, there, "the folder has"))


def _variable(variable: Variable) -> Iterator[tuple[str, str]]:
    """What is wrong with a variable of a contract."""
    if (variable.type == "enum") != bool(variable.values):
        yield "`type: enum` and `values:` go together", "give both or neither"
    if variable.required and variable.default is not None and "{{" not in str(variable.default):
        yield "is required and has a default", "leave one of them out"
    if variable.fixed_by and variable.default is None:
        yield "is fixed and has no default", "give the `default:` that it is fixed at"
    if variable.secret and variable.type not in {"secret", "text"}:
        yield "is filled from a secret and is none", "write `type: secret`, or `type: text` for several lines"
    if variable.site is not None and (variable.secret or held(variable)[1] in GIVEN):
        yield f"has both `site:` and `{'secret' if variable.secret else 'endpoint'}:`", "leave one of them out"
    for key, value in (("default", variable.default), ("example", variable.example)):
        text = str(value).lower() if isinstance(value, bool) else str(value or "")
        if text and not is_expression(text) and (variable.values or variable.type != "enum"):
            yield from _fits(key, text, variable)


def _fits(key: str, text: str, variable: Variable) -> Iterator[tuple[str, str]]:
    """Whether the variable's own type takes its default and its example."""
    try:
        parse(variable.type, text, variable.values)
    except ValueError as error:
        yield f"its {key} is refused by its type: {error}", f"change the {key} or the type"


def _container(catalogue: Catalogue, here: _Place, made: Container, loc: Loc, *, strict: bool) -> None:
    """A container of the service."""
    if made.image not in catalogue.images:
        if strict:
            remedy = suggest(made.image, catalogue.images, "the structure has")
            here.add((*loc, "image"), f"image `{made.image}` is not in the structure", remedy)
        return
    _instead(catalogue, here, made, loc)
    if _privileged(made) and not made.why:
        here.add(loc, "has privileges and does not say why", "add `why:` with one sentence")
    runtime = catalogue.effective(made.image)
    for key, names in (("environment", tuple(made.environment)), ("opt_in", made.opt_in)):
        for index, name in enumerate(names):
            standard = name.startswith(STANDARD) and key == "environment"
            if name not in runtime.contract and not standard:
                part = name if key == "environment" else index
                remedy = suggest(name, runtime.contract, "its contract has")
                here.add((*loc, key, part), f"`{name}` is not in the contract of {made.image}", remedy)


def _instead(catalogue: Catalogue, here: _Place, made: Container, loc: Loc) -> None:
    """Other images of a container are of its service; what they depend on can be said."""
    service, _ = catalogue.images[made.image]
    for what, image in made.instead.items():
        if image not in service.images:
            remedy = suggest(image, service.images, "the service has")
            here.add((*loc, "instead", what), f"image `{image}` is not of the service", remedy)
            continue
        word, equals, value = what.partition("=")
        other, _, variable = word.rpartition(".")
        owners = [image] if not other else list(catalogue.defined[other].images) if other in catalogue.defined else []
        contract = {name: each for owner in owners for name, each in catalogue.effective(owner).contract.items()}
        known: Iterable[str] = contract if equals else catalogue.containers
        if variable not in known:
            kind = f"in the contract of {other or image}" if equals else "a container"
            here.add((*loc, "instead", what), f"`{variable}` is not {kind}", suggest(variable, known, "there are"))
        elif equals and value not in contract[variable].values:
            remedy = suggest(value, contract[variable].values, "it has")
            here.add((*loc, "instead", what), f"`{variable}` has no value `{value}`", remedy)


def _privileged(made: Container) -> bool:
    return any(
        (
            made.capabilities,
            made.devices,
            made.optional_devices,
            made.system_paths,
            made.node_pid,
            made.node_cgroup,
            any(volume.host for volume in made.volumes),
        )
    )
