"""The proof, in the order in which it is walked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stackyard.verify.checks import guests, make, outside, site, volumes, wire
from stackyard.verify.context import Run
from stackyard.verify.outcome import Finding
from stackyard.verify.target import Target


@dataclass(frozen=True)
class Phase:
    """A check with its name, where to look when it fails, the phases that it builds on, and which sites have it."""

    name: str
    check: Callable[[Run], Finding]
    hint: str
    needs: tuple[str, ...] = ()
    applies: Callable[[Target], bool] = lambda _target: True


PHASES = (
    Phase("sign in", site.sign_in, hint="`stackyard status` tells what does not work, `stackyard logs CONTAINER` why"),
    Phase(
        "public URLs",
        site.public_urls,
        needs=("sign in",),
        applies=lambda target: any(url.base != url.local for url in target.urls),
        hint="docs/publish.md has what a proxy has to forward, and the headers that it has to add",
    ),
    Phase(
        "pages",
        site.pages,
        applies=lambda target: bool(site.has_pages(target)),
        hint="`stackyard status` tells what does not work, `stackyard logs CONTAINER` why",
    ),
    Phase(
        "leftovers",
        site.leftovers,
        needs=("sign in",),
        hint="`openstack server list --all-projects` and the like show it; delete it by hand, then run this again",
    ),
    Phase(
        "nodes",
        site.nodes,
        needs=("sign in",),
        hint="of a node that is down, `stackyard logs --node NODE` tells why; zones are those of the site file",
    ),
    Phase(
        "agents",
        site.agents,
        needs=("sign in",),
        hint="`stackyard status` tells whether the agent runs, `stackyard logs --node NODE` what it says",
    ),
    Phase(
        "image",
        make.image,
        needs=("sign in", "leftovers"),
        hint="`stackyard logs` of the image service; is its volume full?",
    ),
    Phase("network", make.network, needs=("sign in", "leftovers"), hint="`stackyard logs` of the network service"),
    Phase("listen", make.listen, needs=("sign in",), hint="`stackyard status` tells whether the node runs"),
    Phase(
        "boot",
        make.boot,
        needs=("image", "network"),
        hint="`stackyard logs` of the scheduler, and of the compute service on that node",
    ),
    Phase(
        "placement", make.placement, needs=("boot",), hint="compare the zones of the site file with the host aggregates"
    ),
    Phase(
        "console",
        guests.console,
        needs=("boot",),
        hint="`stackyard logs` of the compute service and the hypervisor on that node",
    ),
    Phase(
        "metadata",
        guests.metadata,
        needs=("console",),
        hint="`stackyard logs` of the metadata service, and of the agent on that node",
    ),
    Phase("ping", guests.ping, needs=("metadata",), hint="do the nodes reach each other on the tunnel network?"),
    Phase(
        "tcp",
        guests.tcp,
        needs=("ping",),
        hint="pings that pass where TCP hangs: look at MTU, checksums and segmentation offload",
    ),
    Phase(
        "floating",
        outside.floating,
        needs=("metadata",),
        applies=lambda target: bool(target.public),
        hint="`stackyard status` tells whether the node is a gateway; docs/why/public-network.md has what may pass",
    ),
    Phase(
        "volume",
        volumes.volume,
        needs=("metadata",),
        applies=lambda target: target.volumes,
        hint="`stackyard logs` of the volume service, and of what stores volumes",
    ),
    Phase(
        "wire",
        wire.wire,
        needs=("listen", "metadata"),
        hint="compare the site's encapsulation with what the network agents use",
    ),
)
"""What `stackyard verify` checks. To add one, write its function in `checks/` and name it here."""

CLEAN = Phase("clean", site.cleaned, hint="`stackyard verify --clean` tries again")
