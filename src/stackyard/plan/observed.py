"""What is there: a snapshot of the engine and the disk, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

LABEL_SITE = "stackyard.site"
LABEL_NODE = "stackyard.node"
LABEL_CONTAINER = "stackyard.container"
NODE = "node"
"""A virtual node, by the last of these labels."""


@dataclass(frozen=True)
class Running:
    """A container of the site as the engine has it. Times are RFC 3339, in UTC, as the engine writes them."""

    id: str
    name: str
    image_id: str
    labels: Mapping[str, str]
    status: str
    exit_code: int = 0
    error: str = ""
    started_at: str = ""
    finished_at: str = ""
    restarts: int = 0
    health: str = ""
    network_mode: str = ""
    pid_mode: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_node(self) -> bool:
        """Whether it is a virtual node, and not one that joins a node."""
        return self.labels.get(LABEL_CONTAINER) == NODE

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self.status == "running"

    @property
    def began(self) -> float:
        """When its process was started last, in seconds since 1970."""
        return datetime.fromisoformat(self.started_at).timestamp()

    @property
    def since(self) -> datetime:
        """When it came to the state that it is in."""
        text = self.started_at if self.status in {"running", "paused"} else self.finished_at
        return datetime.fromisoformat(text[:19] + "+00:00")


@dataclass(frozen=True)
class Network:
    """A network of the site as the engine has it.

    ``bridge`` is its interface on the host, ``gateway`` the host's address in it; in one that is ``outside`` the host
    has none. ``interfaces`` are those of the host that are a part of it, beside what the engine puts there; ``shut``
    says that the host itself takes no part.
    """

    name: str
    subnets: tuple[str, ...]
    internal: bool
    gateway: str = ""
    outside: bool = False
    bridge: str = ""
    interfaces: tuple[str, ...] = ()
    shut: bool = True


@dataclass(frozen=True)
class Observed:
    """A snapshot: containers and networks by name, images by reference, files of the site that differ.

    ``digests`` are those of images that were pushed or pulled, by reference.
    """

    containers: Mapping[str, Running] = field(default_factory=dict)
    networks: Mapping[str, Network] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    stale_files: tuple[str, ...] = ()
