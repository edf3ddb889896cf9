"""What an image's entrypoint is told: the content of ``container.json``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from stackyard.model.service import BootstrapStep, Endpoint, Runtime, Variable, Wait

if TYPE_CHECKING:
    from stackyard.catalogue.catalogue import Catalogue

VERSION = 2
_CONTRACT_KEYS = {"type", "help", "required", "default", "example", "values", "sets", "secret", "aliases", "characters"}
_DIGITS = 12


def container_json(catalogue: Catalogue, image: str) -> dict[str, Any]:
    """All that the entrypoint of an image goes by, as plain data."""
    service, own = catalogue.find(image)
    runtime = catalogue.effective(image)
    data = runtime.model_dump(
        mode="json", exclude={"uses", "files", "contract", "wait_for", "bootstrap", "health", "unhealthy", "ends_vms"}
    )
    if runtime.ends_vms:  # so that no other image changes
        data["ends_vms"] = [*runtime.ends_vms]
    return {
        "version": VERSION,
        "image": image,
        "service": service.service,
        "release": catalogue.release,
        "title": own.description,
        "contract": contract(catalogue, image),
        "known": [name for name in catalogue.known if name not in catalogue.added],
        "environments": environments(catalogue),
        "endpoints": endpoints(catalogue, image),
        "wait_for": [waiting(catalogue, wait) for wait in runtime.wait_for],
        "health": runtime.health.model_dump(mode="json", exclude_none=True) if runtime.health else None,
        "bootstrap": [_step(catalogue, image, step) for step in runtime.bootstrap],
        **data,
    }


def environments(catalogue: Catalogue) -> dict[str, dict[str, Any]]:
    """Variables of other systems, as the entrypoint reads them."""
    systems = catalogue.foreign.environments.items()
    return catalogue.remembered(
        "environments",
        "",
        lambda: {system: each.model_dump(mode="json", exclude_defaults=True) for system, each in systems},
    )


# ---------------------------------------------------------------- contract and endpoints


def contract(catalogue: Catalogue, image: str) -> dict[str, dict[str, Any]]:
    """The contract of an image as the entrypoint and the plan read it, with the defaults that endpoints give."""
    runtime = catalogue.effective(image)
    variables = _variables(runtime)
    return {
        name: {
            **variable.model_dump(mode="json", include=_CONTRACT_KEYS),
            **({"default": made} if (made := _default(catalogue, variable, variables)) is not None else {}),
        }
        for name, variable in runtime.contract.items()
    }


def held(variable: Variable) -> tuple[str, str]:
    """Endpoint and part that a variable holds; empty when it holds none."""
    name, _, part = (variable.endpoint or "").partition(".")
    return name, part


def _variables(runtime: Runtime) -> dict[str, dict[str, str]]:
    """Endpoint -> part -> variable of the contract that holds it."""
    found: dict[str, dict[str, str]] = {}
    for name, variable in runtime.contract.items():
        endpoint, part = held(variable)
        if endpoint:
            found.setdefault(endpoint, {})[part] = name
    return found


def _default(catalogue: Catalogue, variable: Variable, variables: Mapping[str, Mapping[str, str]]) -> str | int | None:
    """The default that an endpoint gives: its port, or a URL made from the other variables."""
    name, part = held(variable)
    if variable.default is not None or name not in catalogue.endpoints:
        return None
    endpoint = catalogue.endpoints[name]
    port = variables[name].get("port", endpoint.port)
    if part == "url":
        hosts = variables[name].get("hosts", endpoint.address)
        return f"{endpoint.scheme}://{{{{ {hosts} | hostport({port}) }}}}{endpoint.path}"
    if part == "public":
        return f"{endpoint.scheme}://127.0.0.1:{endpoint.port}{endpoint.path}"
    return endpoint.port if part == "port" else None


def served(catalogue: Catalogue, image: str) -> dict[str, Endpoint]:
    """Endpoints that containers of an image serve."""
    service, _ = catalogue.find(image)
    return {
        name: endpoint
        for name, endpoint in service.endpoints.items()
        if endpoint.container in service.containers and image in service.containers[endpoint.container].possible
    }


def endpoints(catalogue: Catalogue, image: str) -> dict[str, dict[str, Any]]:
    """What an image knows of each endpoint that it serves, or that its contract has variables of."""
    variables = _variables(catalogue.effective(image))
    own = served(catalogue, image)
    return {
        name: {
            "title": endpoint.title,
            "scheme": endpoint.scheme,
            "port": endpoint.port,
            "path": endpoint.path,
            "check": endpoint.check,
            "variables": {**({"hosts": endpoint.address} if name in own else {}), **variables.get(name, {})},
        }
        for name in sorted({*variables, *own})
        if (endpoint := catalogue.endpoints.get(name))
    }


# ---------------------------------------------------------------- waits and steps


def waiting(catalogue: Catalogue, wait: Wait) -> dict[str, Any]:
    """A wait as the entrypoint reads it: what it is called, and how to ask."""
    return {
        "name": catalogue.endpoints[wait.endpoint].title if wait.endpoint else wait.job or wait.container,
        "deadline": wait.deadline,
        "when": wait.when,
        "probe": _probe(catalogue, wait),
    }


def _probe(catalogue: Catalogue, wait: Wait) -> dict[str, Any]:
    if wait.ready:
        return wait.ready.model_dump(mode="json", exclude_none=True)
    if wait.endpoint:
        return {"endpoint": wait.endpoint}
    image = catalogue.containers[wait.job or wait.container or ""].image
    if wait.container:
        health = catalogue.effective(image).health
        return health.model_dump(mode="json", exclude_none=True) if health else {}
    steps = marked(catalogue, image)
    return {
        "marker": steps[0]["marker"],
        "steps": {each["name"]: [each["identity"], *each["adopts"]] for each in steps},
        "values": {each["name"]: each["values"] for each in steps if each["values"]},
    }


def marked(catalogue: Catalogue, image: str) -> list[dict[str, Any]]:
    """The bootstrap steps of an image that a database remembers."""
    return [_step(catalogue, image, step) for step in catalogue.effective(image).bootstrap if step.marker]


def _step(catalogue: Catalogue, image: str, step: BootstrapStep) -> dict[str, Any]:
    """A step with its identity, and those of earlier versions that stand for it."""
    identity = catalogue.remembered("step", f"{image}/{step.name}", lambda: step_identity(catalogue, image, step))
    return {**step.model_dump(mode="json"), "identity": identity, "adopts": list(step.adopts.get(identity, ()))}


def step_identity(catalogue: Catalogue, image: str, step: BootstrapStep) -> str:
    """Hash of what a step does: its commands, the files that they name, and the Python packages that they run with."""
    service, _ = catalogue.find(image)
    total = hashlib.sha256()
    for part in (*_python(catalogue, image), *(word for command in step.run for word in ("", *command))):
        total.update(f"{len(part)}:{part}".encode())
    for name, content in _scripts(catalogue, service.service, step):
        total.update(f"{len(content)}:{name}:".encode() + content)
    return total.hexdigest()[:_DIGITS]


def _scripts(catalogue: Catalogue, service: str, step: BootstrapStep) -> Iterator[tuple[str, bytes]]:
    """Files of the service's folder that a step names."""
    for word in (word for command in step.run for word in command):
        name = word.removeprefix("./")
        path = catalogue.file(service, name) if name and "{{" not in name else None
        if path:
            yield name, path.read_bytes()


def _python(catalogue: Catalogue, image: str) -> list[str]:
    """Locks of the Python packages of an image and its base."""
    service, own = catalogue.find(image)
    levels = (service.images.get(own.base or ""), own)
    locks = [lock for level in levels if level for lock in level.locks]
    return [catalogue.lock(name).read_text() for name in (dict.fromkeys(["common", *locks]) if locks else ())]
