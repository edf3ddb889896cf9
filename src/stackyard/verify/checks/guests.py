"""What the VMs say on their consoles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from stackyard.errors import StackyardError
from stackyard.verify import script
from stackyard.verify.console import Marker, last, markers
from stackyard.verify.context import Run, Vm
from stackyard.verify.outcome import Finding
from stackyard.verify.wait import until

INTERVAL = 1.0


def console(run: Run) -> Finding:
    """The console log of each VM says that it has booted, and got the address of its port."""
    found = on_consoles(run, "console log", 150, lambda _vm, seen: _missing_boot(seen))
    for vm in run.vms:
        lease = last(found[vm.id], dhcp="ok") or {}
        if lease["address"] != vm.address:
            raise StackyardError(f"{vm.name} has the address {lease['address']} from DHCP, and its port {vm.address}")
    booted = [(vm, float((last(found[vm.id], boot="started") or {})["uptime"])) for vm in run.vms]
    seen = ", ".join(f"{time:.1f} s on {vm.host.name}" for vm, time in booted)
    return Finding(f"booted in {seen}", {vm.name: time for vm, time in booted})


def _missing_boot(seen: list[Marker]) -> str:
    if not last(seen, boot="started"):
        return "has not booted"
    return "" if last(seen, "address", dhcp="ok") else "has no address from DHCP"


def metadata(run: Run) -> Finding:
    """Each VM gets its own metadata, and runs the script that came with it."""

    def missing_metadata(vm: Vm, seen: list[Marker]) -> str:
        answer = last(seen, metadata="ok", uuid=vm.id)
        other = last(seen, "uuid", metadata="ok")
        if not answer:
            return f"got that of {other['uuid'] or 'nobody'}" if other else "gets no answer"
        return "" if last(seen, script="started", name=vm.name) else "has not got its script"

    found = on_consoles(run, "metadata", 90, missing_metadata)
    ids = {vm.name: (last(found[vm.id], "instance-id", metadata="ok") or {})["instance-id"] for vm in run.vms}
    return Finding(", ".join(ids.values()), ids)


def ping(run: Run) -> Finding:
    """Each VM of a pair gets an answer from the other."""

    def missing_answer(vm: Vm, seen: list[Marker]) -> str:
        silent = [peer.address for peer in run.peers(vm) if not last(seen, peer=peer.address, ping="ok")]
        return f"gets no answer from {', '.join(silent)}" if silent else ""

    found = on_consoles(run, "ping", 60, missing_answer)
    times = {
        f"{vm.address} > {peer.address}": float((last(found[vm.id], peer=peer.address, ping="ok") or {})["ms"])
        for vm in run.vms
        for peer in run.peers(vm)
    }
    return Finding(", ".join(f"{way} {time:.1f} ms" for way, time in times.items()), times)


def tcp(run: Run) -> Finding:
    """Each VM of a pair gets 1 MB from the other, unchanged."""

    def wanted(peer: Vm) -> Mapping[str, str]:
        return {
            "peer": peer.address,
            "tcp": "ok",
            "bytes": str(script.BYTES),
            "sha256": script.digest(run.seed, peer.address),
        }

    def missing_data(vm: Vm, seen: list[Marker]) -> str:
        without = [peer.address for peer in run.peers(vm) if not last(seen, **wanted(peer))]
        tries = [last(seen, "tcp", peer=address) or {} for address in without]
        return ", ".join(
            f"has {attempt.get('bytes', '0')} of {script.BYTES} bytes from {address}"
            for address, attempt in zip(without, tries, strict=True)
        )

    found = on_consoles(run, "TCP", 90, missing_data)
    times = {}
    for vm in run.vms:
        for peer in run.peers(vm):
            marker = last(found[vm.id], **wanted(peer)) or {}
            times[f"{peer.address} > {vm.address}"] = round(float(marker["end"]) - float(marker["begin"]), 2)
    return Finding("1 MB " + ", ".join(f"{way} {time:.1f} s" for way, time in times.items()), times)


def on_consoles(
    run: Run, what: str, deadline: float, lacks: Callable[[Vm, list[Marker]], str], vms: Sequence[Vm] = ()
) -> dict[str, list[Marker]]:
    """Read the consoles until no VM, or none of these, lacks anything; return their markers by the VMs' ids."""
    seen: dict[str, list[Marker]] = {}

    def lacking() -> str:
        found = []
        for vm in vms or run.vms:
            seen[vm.id] = markers(run.cloud.console(vm.id))
            lack = lacks(vm, seen[vm.id])
            found += [f"{vm.name} {lack}"] if lack else []
        return ", ".join(found)

    until(lacking, what=what, deadline=deadline, told=run.tell, interval=INTERVAL)
    return seen
