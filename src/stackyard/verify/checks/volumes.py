"""A volume, on one VM and then on another."""

from __future__ import annotations

from stackyard.errors import StackyardError
from stackyard.verify import script
from stackyard.verify.checks.guests import on_consoles
from stackyard.verify.console import Marker, last
from stackyard.verify.context import Run, Vm
from stackyard.verify.outcome import Finding
from stackyard.verify.wait import until

DEADLINE = 60


def volume(run: Run) -> Finding:
    """A volume can be made; what a VM writes to it, another one reads."""
    writer, reader = run.pairs()[0]
    digest = script.digest(run.seed, writer.address)
    made = run.cloud.make_volume(f"{run.target.prefix}volume")
    _becomes(run, made, "available")

    def missing_write(vm: Vm, seen: list[Marker]) -> str:
        return "" if last(seen, "disk", written="ok", sha256=digest) else f"{vm.name} has not written to it"

    def missing_read(vm: Vm, seen: list[Marker]) -> str:
        return "" if last(seen, "disk", holds=writer.address, sha256=digest) else f"{vm.name} has not read the same"

    run.cloud.attach(writer.id, made)
    written = on_consoles(run, "the volume as a disk", DEADLINE, missing_write, [writer])
    _becomes(run, made, "in-use")
    run.cloud.detach(writer.id, made)
    _becomes(run, made, "available")
    run.cloud.attach(reader.id, made)
    on_consoles(run, "the volume as a disk", DEADLINE, missing_read, [reader])
    name = (last(written[writer.id], "disk", written="ok") or {})["disk"]
    where = f"{writer.host.name}, read on {reader.host.name}"
    return Finding(f"1 MB written on {where}", {"volume": made, "disk": name})


def _becomes(run: Run, volume_id: str, wanted: str) -> None:
    """Wait for the status of a volume. Raises StackyardError when it has become another for good."""

    def other() -> str:
        found = run.cloud.volume(volume_id)
        if found.startswith("error"):
            raise StackyardError(f"the volume is in the status {found}, and was to become {wanted}")
        return "" if found == wanted else f"the volume is {found}"

    until(other, what=f"the volume to be {wanted}", deadline=DEADLINE, told=run.tell, interval=1)
