"""What is known of a host before anything is decided; observed elsewhere, a value here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stackyard.plan.contents import ImageFile


@dataclass(frozen=True)
class HostFacts:
    """A host that nodes run on.

    ``cgroups`` are the directories of the mounted v1 controllers below /sys/fs/cgroup, or a single empty name
    for the one hierarchy of cgroup v2. ``devices`` are the device files that exist of those asked for.
    ``address`` is the one that other machines reach it at. ``nodes`` are the addresses that nodes of the site have
    already, by name: management, tunnel and, where it has one, public. ``image_files`` are the files of the images
    that its cloud contains, by name. ``resolvers`` are the name servers it asks that others may ask too.
    """

    cgroups: tuple[str, ...] = ()
    devices: frozenset[str] = field(default_factory=frozenset)
    address: str = "127.0.0.1"
    nodes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    image_files: Mapping[str, ImageFile] = field(default_factory=dict)
    resolvers: tuple[str, ...] = ()
