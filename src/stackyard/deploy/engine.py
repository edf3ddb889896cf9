"""What the engine says, and commands to it, as argv lists."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from stackyard.bundle.compose import LABEL_SITE
from stackyard.effects import preflight
from stackyard.effects.process import docker, run
from stackyard.errors import CommandError, TimedOutError
from stackyard.plan.observed import Network, Observed, Running

PATIENCE = 30
"""Seconds that the engine has for an answer."""


def ask(*arguments: str) -> str:
    """Output of a docker command that only looks. Raises InputError when there is no engine."""
    try:
        result = run([docker(), *arguments], check=False, timeout=PATIENCE)
    except TimedOutError:
        preflight.engine()  # says what is wrong when there is none
        raise
    if result.code:
        preflight.engine()
        raise CommandError(f"docker {' '.join(arguments)} exited with {result.code}:\n{result.stderr.strip()}")
    return result.stdout


def observe(site: str) -> Observed:
    """A snapshot of the site's containers and networks and of all images."""
    docker()
    with ThreadPoolExecutor(3) as pool:
        containers, networks, images = (
            pool.submit(_containers, site),
            pool.submit(_networks, site),
            pool.submit(_images),
        )
        return Observed(containers.result(), networks.result(), images.result())


def containers(site: str) -> dict[str, Running]:
    """The site's containers by name."""
    return _containers(site)


def inspect(names: Iterable[str]) -> dict[str, Running]:
    """Those of the containers that exist, by name."""
    result = run([docker(), "container", "inspect", *names], check=False)
    found = [_running(each) for each in json.loads(result.stdout or "[]")]
    return {running.name: running for running in found}


def _containers(site: str) -> dict[str, Running]:
    ids = ask("ps", "-aq", "--no-trunc", "--filter", f"label={LABEL_SITE}={site}").split()
    return inspect(ids) if ids else {}


def _running(data: Mapping[str, Any]) -> Running:
    state, config, host = data["State"], data["Config"], data["HostConfig"]
    networks = data["NetworkSettings"]["Networks"] or {}
    environment = dict(entry.partition("=")[::2] for entry in config["Env"] or ())
    return Running(
        id=data["Id"],
        name=data["Name"].lstrip("/"),
        image_id=data["Image"],
        labels=config["Labels"] or {},
        status=state["Status"],
        exit_code=state["ExitCode"],
        error=state["Error"],
        started_at=state["StartedAt"],
        finished_at=state["FinishedAt"],
        restarts=data["RestartCount"],
        health=(state.get("Health") or {}).get("Status", ""),
        network_mode=host["NetworkMode"],
        pid_mode=host["PidMode"],
        environment=environment,
        addresses={name: _address(each) for name, each in networks.items()},
    )


def _address(network: Mapping[str, Any]) -> str:
    """The address that a container has or will have in a network."""
    wanted = network.get("IPAMConfig") or {}
    given = (wanted.get("IPv4Address"), wanted.get("IPv6Address"), network["IPAddress"], network["GlobalIPv6Address"])
    return next((address for address in given if address), "")


def _networks(site: str) -> dict[str, Network]:
    names = ask("network", "ls", "-q", "--filter", f"label={LABEL_SITE}={site}").split()
    if not names:
        return {}
    result = run([docker(), "network", "inspect", *names], check=False)
    found = [
        Network(
            name=each["Name"],
            subnets=tuple(pool["Subnet"] for pool in each["IPAM"]["Config"] or ()),
            internal=each["Internal"],
        )
        for each in json.loads(result.stdout or "[]")
    ]
    return {network.name: network for network in found}


def _images() -> dict[str, str]:
    lines = ask("image", "ls", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").splitlines()
    return dict(line.split(" ", 1) for line in lines)


def other_networks(site: str) -> dict[str, tuple[str, ...]]:
    """Networks of the engine that are not the site's, with their subnets."""
    ids = ask("network", "ls", "-q").split()
    data = json.loads(run([docker(), "network", "inspect", *ids], check=False).stdout or "[]")
    return {
        each["Name"]: tuple(pool["Subnet"] for pool in each["IPAM"]["Config"] or () if pool.get("Subnet"))
        for each in data
        if (each["Labels"] or {}).get(LABEL_SITE) != site
    }


def publishers(port: int) -> list[str]:
    """Names of the containers that publish a port of the host."""
    return ask("ps", "--filter", f"publish={port}", "--format", "{{.Names}}").split()


def logs(name: str, lines: int) -> list[str]:
    """The last lines that a container wrote."""
    result = run([docker(), "logs", "--tail", str(lines), name], check=False)
    return [line for line in (result.stdout + result.stderr).splitlines() if line.strip()][-lines:]


def network_create(name: str, subnet: str, site: str, *, internal: bool) -> list[str]:
    """Command that makes a network of the site."""
    options = ["--internal"] if internal else []
    options += ["--ipv6"] if ":" in subnet else []
    return [
        "network",
        "create",
        "--driver",
        "bridge",
        "--subnet",
        subnet,
        *options,
        "--label",
        f"{LABEL_SITE}={site}",
        name,
    ]


def compose(project: str, directory: str, *arguments: str) -> list[str]:
    """Command of compose for one directory."""
    return [
        "compose",
        "-p",
        project,
        "--project-directory",
        directory,
        "-f",
        f"{directory}/docker-compose.yml",
        *arguments,
    ]
