"""Resolved site -> files of each node, and what each container should be, with its hash."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml

from stackyard.bundle import compose, virtual
from stackyard.bundle.compose import Service
from stackyard.bundle.envfile import common, env_file
from stackyard.bundle.file import File
from stackyard.plan.decide import LABEL_CONFIG, LABEL_HASH, Target
from stackyard.plan.observed import NODE
from stackyard.plan.resolved import PlacedNode, ResolvedContainer, ResolvedSite

COMPOSE_FILE = "docker-compose.yml"
COMMON_ENV = "common.env"
_DIGITS = 12
_HEADER = "# Written by stackyard; `stackyard up` writes it again. By hand: docker compose up -d\n"
_SafeDumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_SafeDumper):  # type: ignore[misc]
    """Writes a value that appears twice twice."""

    def ignore_aliases(self, _data: Any) -> bool:
        """No anchors."""
        return True


@dataclass(frozen=True)
class Bundle:
    """Files by node and path, and the targets that they are for, in the order of the site's containers."""

    files: Mapping[str, Mapping[str, File]]
    targets: tuple[Target, ...]


def bundle(site: ResolvedSite, key: bytes) -> Bundle:
    """Render all of a site. ``key`` keeps the hashes of secrets from telling anything about them."""
    files: dict[str, dict[str, File]] = {}
    targets: list[Target] = []
    for node in site.nodes:
        node_files, node_target = _node(site, node)
        files[node.name] = node_files
        targets.append(node_target)
    found: dict[str, Target] = {}
    for node_name, project, containers in _projects(site):
        made, project_targets = _project(site, node_name, project, containers, key)
        files[node_name].update(made)
        found.update({target.name: target for target in project_targets})
    targets.extend(found[container.full_name] for container in site.containers)
    return Bundle(files, tuple(targets))


def _projects(site: ResolvedSite) -> Iterable[tuple[str, str, list[ResolvedContainer]]]:
    """Node, project and its containers by name."""
    found: dict[tuple[str, str], list[ResolvedContainer]] = {}
    for container in site.containers:
        found.setdefault((container.node, container.definition.project), []).append(container)
    for (node, project), containers in sorted(found.items()):
        yield node, project, sorted(containers, key=lambda each: each.name)


def _node(site: ResolvedSite, node: PlacedNode) -> tuple[dict[str, File], Target]:
    service = virtual.node_service(site, node)
    target = _target(site, node.name, NODE, NODE, service)
    networks = {kind: {"name": f"{site.name}-{kind}", "external": True} for kind in node.addresses}
    document = {
        "name": compose.project_name(site, node.name, NODE),
        "services": {NODE: _labelled(service, target)},
        "networks": networks,
    }
    return {f"{NODE}/{COMPOSE_FILE}": File(_yaml(document))}, target


def _project(
    site: ResolvedSite, node: str, project: str, containers: list[ResolvedContainer], key: bytes
) -> tuple[dict[str, File], list[Target]]:
    shared = common(containers)
    services: dict[str, Service] = {}
    targets: list[Target] = []
    files = {f"{project}/{COMMON_ENV}": File(env_file(shared))}
    for container in containers:
        own = {name: value for name, value in container.values.items() if shared.get(name) != value}
        service = compose.container_service(site, container, own, virtual.joined(site, container))
        target = _container_target(site, container, service, shared, key)
        services[container.name] = _labelled(service, target)
        targets.append(target)
        files.update(_secret_files(project, container))
    files[f"{project}/{COMPOSE_FILE}"] = File(_yaml(_document(site, node, project, containers, services)))
    return files, targets


def _document(
    site: ResolvedSite, node: str, project: str, containers: list[ResolvedContainer], services: dict[str, Service]
) -> dict[str, Any]:
    secrets = {
        compose.secret_name(container, name): {"file": f"./{compose.secret_path(container, name)}"}
        for container in containers
        for name in sorted(container.secrets)
    }
    volumes = compose.volumes(site, containers)
    return {
        "name": compose.project_name(site, node, project),
        "services": services,
        **({"volumes": volumes} if volumes else {}),
        **({"secrets": secrets} if secrets else {}),
    }


def _secret_files(project: str, container: ResolvedContainer) -> dict[str, File]:
    return {
        f"{project}/{compose.secret_path(container, name)}": File(
            secret.reveal().encode(), mode=0o400, user=container.user
        )
        for name, secret in sorted(container.secrets.items())
    }


def _container_target(
    site: ResolvedSite, container: ResolvedContainer, service: Service, shared: Iterable[str], key: bytes
) -> Target:
    secrets = {name: _keyed(key, secret.reveal()) for name, secret in sorted(container.secrets.items())}
    definition = container.definition
    target = _target(site, container.node, definition.project, container.name, service)
    parts = {**target.parts, "values": _hash(dict(container.values)), "secret files": _hash(secrets)}
    return replace(target, parts=parts, environment=container.values, shared=frozenset(shared))


def _target(site: ResolvedSite, node: str, project: str, container: str, service: Service) -> Target:
    """What a container should be, as far as its compose service tells."""
    ignored = ("image", "environment", "env_file", "container_name", "labels", "networks")
    own_namespace = project == NODE
    networks = service["networks"] if own_namespace else {}
    return Target(
        name=service["container_name"],
        node=node,
        project=project,
        container=container,
        image=service["image"],
        parts={key: _hash(value) for key, value in service.items() if key not in ignored},
        job=service["restart"] == "on-failure",
        member_of=None if own_namespace else site.node_container(node),
        shares_pid="pid" in service,
        addresses={f"{site.name}-{name}": next(iter(each.values())) for name, each in networks.items()},
    )


def _labelled(service: Service, target: Target) -> Service:
    """The service with the labels that tell what it was made of."""
    parts = " ".join(f"{name.replace(' ', '-')}:{value}" for name, value in target.parts.items())
    return {**service, "labels": {**service["labels"], LABEL_HASH: target.hash, LABEL_CONFIG: parts}}


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True).encode()
    return hashlib.sha256(text).hexdigest()[:_DIGITS]


def _keyed(key: bytes, value: str) -> str:
    return hmac.new(key, value.encode(), hashlib.sha256).hexdigest()[:_DIGITS]


def _yaml(document: dict[str, Any]) -> bytes:
    text = yaml.dump(
        compose.literal(document),
        Dumper=_Dumper,
        sort_keys=False,
        width=1000,
        allow_unicode=True,
        default_flow_style=False,
    )
    return (_HEADER + str(text)).encode()
