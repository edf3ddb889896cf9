"""Run one of Nova's daemons: `daemon.py compute|conductor|scheduler [OPTION ...]`.

What this adds to Nova's own commands:

- It ends when its main thread fails. Nova's threads would keep the process, which then does nothing and looks alive.
- Each time the daemon has reported itself to Nova's database, REPORTED is touched: that is its health. The first
  report comes at once, and not after five seconds. One of nova-compute goes by way of nova-conductor, and is given up
  when the next is due: lost with a broker that ended, Nova would wait a minute for its answer.
- compute makes its privileged calls itself. oslo.privsep starts a daemon for each group of privileged calls, so that
  the rest of nova-compute can do without privileges: each is a Python process of its own with all of Nova in it. Here
  the container has the privileges, and nothing but nova-compute is in it, so the daemons would separate it from
  nothing, and cost memory and the first VM of a node seconds.
- compute finds its identity again when its volume is lost: that of a node is made from its name.
- compute of a node that comes back to the site removes VMs from it that were deleted while it was away. Nova refuses to
  start when a node that it does not know has VMs. So it does still with VMs that its database has never had.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPORTED = Path("/run/stackyard/reported")
IDENTITY = Path("/var/lib/nova/compute_id")
PRIVILEGED = {"nova.privsep": "sys_admin_pctxt", "os_brick.privileged": "default"}
"""Module -> the group of privileged calls in it."""


def reporting(report: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """Return Nova's way to report a daemon's state, which tells REPORTED too when it has worked."""

    def reported(driver: Any, service: Any) -> None:
        if service.service_ref.indirection_api and "indirection_api" not in vars(service.service_ref):
            service.service_ref.indirection_api = impatient(service.report_interval)
        report(driver, service)
        if not getattr(service, "model_disconnected", False):
            REPORTED.touch()

    return reported


def impatient(seconds: float) -> Any:
    """Return nova-conductor's API that waits so long for an answer."""
    api = importlib.import_module("nova.conductor.rpcapi").ConductorAPI()
    api.client = api.client.prepare(timeout=seconds)
    return api


def without_deleted(check: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return Nova's check that a new node has no VMs, before which those go that Nova has deleted."""
    contexts, objects = (importlib.import_module(f"nova.{name}") for name in ("context", "objects"))
    unknown = importlib.import_module("nova.exception").InstanceNotFound

    def checked(manager: Any) -> None:
        everything = contexts.get_admin_context(read_deleted="yes")
        for each in manager.driver.list_instance_uuids():
            try:
                vm = objects.Instance.get_by_uuid(everything, each)
            except unknown:
                continue
            if vm.deleted:
                print(f"VM {each} was deleted while this node was away: it is removed", file=sys.stderr, flush=True)
                manager.driver.destroy(everything, vm, [])
        check(manager)

    return checked


def plugs() -> dict[str, str]:
    """Return the same for the plug-ins by which os-vif connects VMs, those of any SDN."""
    found = {f"{each.module.partition('.')[0]}.privsep" for each in importlib.metadata.entry_points(group="os_vif")}
    return dict.fromkeys((each for each in found if importlib.util.find_spec(each)), "vif_plug")


def prepare_compute() -> None:
    """Let nova-compute make its privileged calls itself, give its node an identity, and forget VMs that are deleted."""
    for module, context in (PRIVILEGED | plugs()).items():
        getattr(importlib.import_module(module), context).set_client_mode(enabled=False)
    if not IDENTITY.exists():
        IDENTITY.write_text(str(uuid.uuid5(uuid.NAMESPACE_DNS, os.environ["HOST_NAME"])))
    manager = importlib.import_module("nova.compute.manager").ComputeManager
    manager._sanity_check_new_host = without_deleted(manager._sanity_check_new_host)  # noqa: SLF001


def main(name: str) -> None:
    """Run the daemon of that name to its end."""
    sys.argv = [f"nova-{name}", *sys.argv[2:]]
    command = importlib.import_module(f"nova.cmd.{name}")  # first of all: it decides what threads are
    groups = importlib.import_module("nova.servicegroup.api")
    groups.INITIAL_REPORTING_DELAY = 0
    driver = importlib.import_module("nova.servicegroup.drivers.db").DbDriver
    driver._report_state = reporting(driver._report_state)  # noqa: SLF001 - Nova has no hook for it
    if name == "compute":
        prepare_compute()
    command.main()


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except Exception:  # noqa: BLE001 - whatever it is, the process must not stay
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        os._exit(1)
    except SystemExit as end:
        if end.code:
            print(end.code, file=sys.stderr, flush=True)
            os._exit(1)
