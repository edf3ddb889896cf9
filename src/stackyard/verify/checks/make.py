"""What a user would make: an image, a network, VMs."""

from __future__ import annotations

from collections.abc import Sequence

from stackyard.errors import StackyardError
from stackyard.verify import script
from stackyard.verify.capture import begin
from stackyard.verify.context import Run, Vm
from stackyard.verify.outcome import Finding
from stackyard.verify.target import ComputeNode
from stackyard.verify.wait import until

CIDR = "10.77.0.0/24"
RAM = 128
"""MB of a VM: the kernel starts in 96, and not in 64."""


def image(run: Run) -> Finding:
    """The guest can be uploaded."""
    guest = run.target.guest
    run.image = run.cloud.upload(run.target.prefix, guest)
    size = sum(size for name, size in guest.sizes.items() if name != "image") / 1e6
    return Finding(f"guest {guest.identity}, {size:.1f} MB", {"image": run.image, "packages": guest.packages})


def network(run: Run) -> Finding:
    """A network with a subnet, a port for each VM, a security group and a flavor can be made."""
    names = run.target.prefix
    run.flavor = run.cloud.make_flavor(f"{names}flavor", RAM)
    run.network = run.cloud.make_network(f"{names}network", CIDR)
    group = run.cloud.make_group(f"{names}group")
    run.vms = []
    for name, host in _guests(run.target.hosts):
        port = run.cloud.make_port(f"{names}{name}", run.network.id, group)
        run.vms.append(Vm(f"{names}{name}", host, port))
    made = run.network
    return Finding(
        f"{CIDR}, {made.kind} {made.segment}, MTU {made.mtu}",
        {"kind": made.kind, "segment": made.segment, "mtu": made.mtu, "ports": [vm.address for vm in run.vms]},
    )


def _guests(hosts: Sequence[ComputeNode]) -> list[tuple[str, ComputeNode]]:
    """Names of the VMs with their nodes: one on each, and two on one that is alone, so that they can talk."""
    if len(hosts) > 1:
        return [(host.name, host) for host in hosts]
    return [(f"{host.name}-{letter}", host) for host in hosts for letter in "ab"]


def listen(run: Run) -> Finding:
    """The tunnel network of each node can be listened to, before anything is said."""
    if not run.captures:
        raise StackyardError("no compute node runs the container that captures")
    begin(run.captures)
    return Finding(
        ", ".join(capture.point.node for capture in run.captures), {"command": list(run.captures[0].point.command)}
    )


def boot(run: Run) -> Finding:
    """Each VM becomes ACTIVE, in the zone of its compute node."""
    asked = []
    for vm in run.vms:
        peers = [peer.address for peer in run.peers(vm)]
        server = run.cloud.boot(
            vm.name,
            image=run.image,
            flavor=run.flavor,
            port=vm.port.id,
            zone=vm.host.request,
            user_data=script.user_data(vm.name, vm.address, peers, run.seed),
        )
        asked.append(Vm(vm.name, vm.host, vm.port, server))
    run.vms = asked

    def building() -> str:
        found = [run.cloud.server(vm.id) for vm in run.vms]
        faults = [f"{server.name}: {server.fault or 'no reason given'}" for server in found if server.status == "ERROR"]
        if faults:
            raise StackyardError("ERROR: " + "; ".join(faults))
        return ", ".join(
            f"{server.name} {server.doing or server.status}" for server in found if server.status != "ACTIVE"
        )

    until(building, what="VMs to become ACTIVE", deadline=240, told=run.tell)
    return Finding(f"{len(run.vms)} VMs ACTIVE", {vm.name: vm.id for vm in run.vms})


def placement(run: Run) -> Finding:
    """Each VM runs on the node of its zone."""
    found = [(vm, run.cloud.server(vm.id)) for vm in run.vms]
    wrong = [
        f"{vm.name} runs on {server.host or 'no node'} in {server.zone or 'no zone'}, "
        f"not on {vm.host.name} in {vm.host.zone}"
        for vm, server in found
        if (server.host, server.zone) != (vm.host.name, vm.host.zone)
    ]
    if wrong:
        raise StackyardError("; ".join(wrong))
    return Finding(
        ", ".join(f"{vm.address} on {server.host} in {server.zone}" for vm, server in found),
        {vm.name: server.host for vm, server in found},
    )
