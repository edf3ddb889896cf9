"""What an engine has of a site, as values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from stackyard.effects.engine import Engine
from stackyard.effects.host import Host
from stackyard.plan.observed import LABEL_SITE, Network, Observed, Running

_BRIDGE_NAME = "com.docker.network.bridge.name"
OUTSIDE = "com.docker.network.bridge.inhibit_ipv4"
"""Option of a network in which the host has no address."""


def observe(engine: Engine, site: str) -> Observed:
    """A snapshot of the site's containers and networks and of all images."""
    engine.client  # noqa: B018 - looked for once, not in three threads
    with ThreadPoolExecutor(3) as pool:
        found, nets, images = (
            pool.submit(containers, engine, site),
            pool.submit(_networks, engine, site),
            pool.submit(_images, engine),
        )
        rows = images.result()
        ids = {name: identifier for name, identifier, _digest in rows}
        digests = {name: digest for name, _identifier, digest in rows if digest.startswith("sha256:")}
        return Observed(found.result(), nets.result(), ids, digests)


def with_interfaces(host: Host, there: Observed) -> dict[str, Network]:
    """The networks of a snapshot by name, with the interfaces of the host that are a part of them."""
    outside = {name: each for name, each in there.networks.items() if each.outside}
    return {
        **there.networks,
        **{
            name: replace(each, interfaces=host.ports(each.bridge), shut=host.is_shut(each.bridge))
            for name, each in outside.items()
        },
    }


def containers(engine: Engine, site: str) -> dict[str, Running]:
    """The site's containers by name."""
    return inspect(engine, engine.ask("ps", "-aq", "--no-trunc", "--filter", f"label={LABEL_SITE}={site}").split())


def inspect(engine: Engine, names: Iterable[str]) -> dict[str, Running]:
    """Those of the containers that exist, by name."""
    found = [_running(each) for each in engine.inspect("container", names)]
    return {running.name: running for running in found}


@dataclass(frozen=True)
class Bridge:
    """A network of the engine, whosever; ``interface`` is its own on the host, ``site`` whose it is."""

    name: str
    subnets: tuple[str, ...]
    interface: str
    site: str | None


def networks(engine: Engine) -> tuple[Bridge, ...]:
    """All networks of the engine."""
    data = engine.inspect("network", engine.ask("network", "ls", "-q").split())
    return tuple(
        Bridge(
            each["Name"],
            _subnets(each),
            _bridge(each),
            (each["Labels"] or {}).get(LABEL_SITE),
        )
        for each in data
    )


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
        health=_health(state.get("Health") or {}),
        network_mode=host["NetworkMode"],
        pid_mode=host["PidMode"],
        environment=environment,
        addresses={name: _address(each) for name, each in networks.items()},
    )


def _health(health: Mapping[str, Any]) -> str:
    """What the engine's own check says; ``failing`` when the last one did, before the engine believes it."""
    status: str = health.get("Status", "")
    last = (health.get("Log") or [{}])[-1].get("ExitCode", 0)
    return "failing" if status == "healthy" and last else status


def _address(network: Mapping[str, Any]) -> str:
    """The address that a container has or will have in a network."""
    wanted = network.get("IPAMConfig") or {}
    given = (wanted.get("IPv4Address"), wanted.get("IPv6Address"), network["IPAddress"], network["GlobalIPv6Address"])
    return next((address for address in given if address), "")


def _networks(engine: Engine, site: str) -> dict[str, Network]:
    names = engine.ask("network", "ls", "-q", "--filter", f"label={LABEL_SITE}={site}").split()
    return {each["Name"]: _network(each) for each in engine.inspect("network", names)}


def _network(data: Mapping[str, Any]) -> Network:
    gateway = next((pool["Gateway"] for pool in data["IPAM"]["Config"] or () if pool.get("Gateway")), "")
    outside = (data.get("Options") or {}).get(OUTSIDE) == "true"
    return Network(data["Name"], _subnets(data), data["Internal"], gateway, outside, _bridge(data))


def _bridge(network: Mapping[str, Any]) -> str:
    """Name of a network's own interface on the host."""
    return (network.get("Options") or {}).get(_BRIDGE_NAME) or f"br-{network.get('Id', '')[:12]}"


def _subnets(network: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(pool["Subnet"] for pool in network["IPAM"]["Config"] or () if pool.get("Subnet"))


def _images(engine: Engine) -> list[tuple[str, str, str]]:
    """Reference, identifier and digest of each image; `<none>` for what it has not."""
    form = "{{.Repository}}:{{.Tag}} {{.ID}} {{.Digest}}"
    lines = engine.ask("image", "ls", "--no-trunc", "--format", form).splitlines()
    return [(name, identifier, digest) for name, identifier, digest in (line.split(" ") for line in lines)]
