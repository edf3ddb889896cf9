"""Run one of Cinder's daemons: `daemon.py backup|scheduler|volume`.

What this adds to Cinder's own commands:

- Each time the daemon has reported itself to Cinder's database, REPORTED is touched: that is its health. The first
  report comes at once.
- scheduler asks volume and backup what they can do until it has heard from each that is up; before that it does not
  say that it works. Cinder's asks once: when all start together nobody listens yet, and for a minute there is no place.
- volume serves its one back end itself, where Cinder would start a process for each.
- backup finds the key of its user where all programs of this image do, whatever the user is called.
- Programs that Cinder would call as root, by way of sudo or of oslo.privsep, are called as they are: what is done with
  Ceph needs no root.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPORTED = Path("/run/stackyard/reported")
KEYRING = Path("/etc/ceph/keyring")
PRIVILEGED = {"cinder.privsep": "sys_admin_pctxt", "os_brick.privileged": "default"}
"""Module -> the group of privileged calls in it."""


def reporting(report: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return Cinder's way to report a daemon's state, which tells REPORTED too when it has worked."""

    def reported(service: Any) -> None:
        report(service)
        if hasattr(service.manager, "request_service_capabilities") and unheard(service.manager):
            return
        if service.manager.is_working() and not getattr(service, "model_disconnected", False):
            REPORTED.touch()

    return reported


def unheard(scheduler: Any) -> bool:
    """Whether there are services of which the scheduler does not know what they can do; they are asked."""
    context = importlib.import_module("cinder.context").get_admin_context()
    services = importlib.import_module("cinder.objects").ServiceList
    hosts = scheduler.driver.host_manager
    for topic, heard in (("cinder-volume", hosts.service_states), ("cinder-backup", hosts.backup_service_states)):
        there = services.get_all(context, {"topic": topic, "disabled": False})
        if any(each.is_up and each.host not in heard for each in there):
            scheduler.request_service_capabilities(context)
            return True
    return False


def starting(start: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return the start of a daemon, which reports when it is done."""

    def started(service: Any) -> None:
        start(service)
        service.report_state()

    return started


def keyring(given: str | None, _cluster: str, _user: str) -> str:
    """Return what os-brick writes into a file of its own for librbd."""
    return given or KEYRING.read_text(encoding="utf-8")


def one_process() -> Any:
    """Return what starts services in this process."""
    service = importlib.import_module("oslo_service.service")
    return service.ServiceLauncher(importlib.import_module("cinder.service").CONF, restart_method="mutate")


def main(daemon: str) -> None:
    """Change Cinder, and run its command."""
    command = importlib.import_module(f"cinder.cmd.{daemon}")  # first: it makes the standard library cooperative
    service = importlib.import_module("cinder.service").Service
    service.report_state = reporting(service.report_state)
    service.start = starting(service.start)
    importlib.import_module("cinder.utils").get_root_helper = lambda: "env"
    importlib.import_module("cinder.service").process_launcher = one_process
    for module, group in PRIVILEGED.items():
        getattr(importlib.import_module(module), group).set_client_mode(enabled=False)
    connector = importlib.import_module("os_brick.initiator.connectors.rbd").RBDConnector
    connector._check_or_get_keyring_contents = staticmethod(keyring)  # noqa: SLF001
    sys.argv = [f"cinder-{daemon}"]
    command.main()


if __name__ == "__main__":
    main(*sys.argv[1:])
