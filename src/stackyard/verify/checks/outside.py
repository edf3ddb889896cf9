"""The way into the cloud, as somebody outside takes it."""

from __future__ import annotations

import time

from stackyard.effects.web import ask
from stackyard.errors import StackyardError
from stackyard.verify import script
from stackyard.verify.context import Run
from stackyard.verify.outcome import Finding
from stackyard.verify.wait import until

DEADLINE = 60
PATIENCE = 10.0
"""Seconds for all of what a VM serves."""


def floating(run: Run) -> Finding:
    """This host gets 1 MB from a VM at its floating address, unchanged."""
    vm, names, begun = run.vms[0], run.target.prefix, time.monotonic()
    public = run.target.public
    if run.network is None or public is None:
        raise StackyardError("there is no network to lead out of")
    external = run.cloud.external(str(public.range)) or run.cloud.make_external(f"{names}external", public)
    run.cloud.make_router(f"{names}router", external, run.network.subnet)
    address = run.cloud.make_floating(f"{names}floating", external, vm.port.id)
    asked = f", asked by this host, whose router has to lead to {public.range}" if public.interface else ""
    wanted = script.served(run.seed, vm.address).decode()

    def other() -> str:
        answer = ask(f"http://{address}:{script.PORT}/data", PATIENCE)
        if answer.text == wanted:
            return ""
        what = answer.reason or f"HTTP {answer.status}, {len(answer.text)} of {len(wanted)} bytes"
        return f"{address}: {what}{asked}"

    until(other, what=f"{vm.name} at its floating address", deadline=DEADLINE, told=run.tell, interval=1)
    took = time.monotonic() - begun
    return Finding(f"1 MB from {address} to this host", {"address": address, "seconds": round(took, 2)})
