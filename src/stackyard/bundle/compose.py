"""Compose services: mappings in the terms of the compose specification."""

from __future__ import annotations

from typing import Any

from stackyard.plan.observed import LABEL_CONTAINER, LABEL_NODE, LABEL_SITE
from stackyard.plan.resolved import Mount, ResolvedContainer, ResolvedSite

Service = dict[str, Any]

ENTRYPOINT = "/opt/stackyard/bin/entrypoint"
LABEL_JOB = "stackyard.job"

NO_PROXIES = {
    name: ""
    for each in ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")
    for name in (each.upper(), each)
}
"""A client puts the proxies of its configuration into each container that it makes, but where it has others.

Services call each other, and no proxy knows the site's addresses.
"""
LIMITS = {"nofile": 16384}
"""Open files of each process. Engines give 1024, too few for a broker, or a thousand million, for each of which some
programs take memory. It is below the limit of an engine that may not raise its own.
"""
LOGGING = {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}}
_HEALTHCHECK = {
    "test": ["CMD", ENTRYPOINT, "health"],
    "interval": "30s",
    "timeout": "20s",
    "retries": 3,
    "start_period": "300s",
}


FIRST = {"cpu_shares": 8192}
"""For containers that others wait for: when many start at once, these come first. The engine's default is 1024."""


def project_name(site: ResolvedSite, node: str, project: str) -> str:
    """Name of the compose project."""
    return f"{site.name}-{node}-{project}"


def confined(*capabilities: str, system_paths: bool = False) -> Service:
    """No privileges but those named.

    Where the host has AppArmor, the engine's profile forbids to write /proc/sys and to mount, whatever else is given.
    """
    options = ["no-new-privileges:true"]
    if system_paths:
        options += ["systempaths=unconfined", "apparmor=unconfined"]
    added = {"cap_add": sorted(capabilities)} if capabilities else {}
    return {"cap_drop": ["ALL"], **added, "security_opt": options}


def owned(user: int) -> str:
    """Options of a tmpfs that belongs to a user."""
    return f"uid={user},gid={user},mode=0755"


def labels(site: str, node: str, container: str, *, job: bool) -> dict[str, str]:
    """Labels that say what of which site a container is."""
    names = {LABEL_SITE: site, LABEL_NODE: node, LABEL_CONTAINER: container}
    return {**names, **({LABEL_JOB: "true"} if job else {})}


def container_service(
    site: ResolvedSite, container: ResolvedContainer, own: dict[str, str], joined: Service
) -> Service:
    """A container that joins its node as ``joined`` says. ``own`` are the variables that are not in common.env."""
    definition = container.definition
    environment = {**NO_PROXIES, **own, **{f"{name}_FILE": f"/run/secrets/{name}" for name in container.secrets}}
    service: Service = {
        "image": container.image,
        "container_name": container.full_name,
        **joined,
        **({"command": list(definition.arguments)} if definition.arguments else {}),
        "env_file": ["common.env"],
        "environment": dict(sorted(environment.items())),
        **({"secrets": _secrets(container)} if container.secrets else {}),
        **confined(*definition.capabilities, system_paths=definition.system_paths),
        "read_only": definition.read_only,
        "tmpfs": _tmpfs(container),
        **({"volumes": [_mount(mount) for mount in container.mounts]} if container.mounts else {}),
        **({"devices": [f"{device}:{device}" for device in container.devices]} if container.devices else {}),
        **({"shm_size": definition.shared_memory} if definition.shared_memory else {}),
        "ulimits": LIMITS,
        **(FIRST if container.awaited or definition.job else {}),
        "restart": "on-failure" if definition.job else "unless-stopped",
        "stop_grace_period": f"{definition.stop_seconds}s",
        **({"healthcheck": _HEALTHCHECK} if container.health else {}),
        "logging": LOGGING,
        "labels": labels(site.name, container.node, container.name, job=definition.job),
    }
    return service


def literal(value: Any) -> Any:
    """The value with no text in it that compose substitutes variables in."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, dict):
        return {key: literal(item) for key, item in value.items()}
    return [literal(item) for item in value] if isinstance(value, list) else value


def secret_name(container: ResolvedContainer, variable: str) -> str:
    """Name of a secret within its compose file."""
    return f"{container.name}.{variable}"


def secret_path(container: ResolvedContainer, variable: str) -> str:
    """Where a secret's file is, relative to the compose file."""
    return f"secrets/{container.name}/{variable}"


def _secrets(container: ResolvedContainer) -> list[dict[str, str]]:
    names = sorted(container.secrets)
    return [{"source": secret_name(container, name), "target": name} for name in names]


def _tmpfs(container: ResolvedContainer) -> list[str]:
    options = owned(container.user)
    more = [path if ":" in path else f"{path}:{options}" for path in container.definition.tmpfs]
    return ["/tmp:mode=1777", f"/run/stackyard:{options}", *more]  # noqa: S108 - in the container


def _mount(mount: Mount) -> dict[str, Any]:
    read_only = {"read_only": True} if mount.read_only else {}
    if mount.volume:
        return {"type": "volume", "source": mount.volume, "target": mount.path, **read_only}
    bind = {"bind": {"create_host_path": mount.create}}
    return {"type": "bind", "source": mount.source, "target": mount.path, **read_only, **bind}


def volumes(site: ResolvedSite, containers: list[ResolvedContainer]) -> dict[str, Any]:
    """The named volumes of a project's containers; containers of other projects may share them."""
    found: dict[str, Any] = {}
    for container in containers:
        for mount in container.mounts:
            if mount.volume:
                name = f"{site.name}-{container.node}-{mount.volume}"
                labels = {LABEL_SITE: site.name, LABEL_NODE: container.node}
                found[mount.volume] = {"name": name, "labels": labels}
    return dict(sorted(found.items()))
