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
- compute takes and sends the disks of VMs that move through rsync's server on the other node (nova-migration), which is
  asked by a URL. Nova knows rsync by way of SSH only.
- compute starts a VM again that was to move when its disks could not be copied. Nova would leave it in ERROR.
- compute fetches the kernel of a VM that moves as it does that of a new one: as a file. Nova takes it for a disk, and
  refuses it.
- compute gives a VM that comes back from a move which is reverted its serial console. Nova leaves it out when the node
  still has the VM's definition of before, as it would while a VM moves live.
- compute offers its part of the machine when several compute nodes share that.
- compute of a node that comes back to the site removes VMs from it that were deleted while it was away. Nova refuses to
  start when a node that it does not know has VMs. So it does still with VMs that its database has never had.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import re
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPORTED = Path("/run/stackyard/reported")
IDENTITY = Path("/var/lib/nova/compute_id")
PRIVILEGED = {"nova.privsep": "sys_admin_pctxt", "os_brick.privileged": "default"}
"""Module -> the group of privileged calls in it."""
MACHINE = {"NODES": "1", "PLACE": "1", "RESERVED": "0"}
"""What this node is told of its machine, and what holds when it is not."""
REMOTE = re.compile(r"([^\[/:]+|\[[^]]+\]):(/.*)", re.DOTALL)
"""Host and path, as Nova gives them to a program that copies."""


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


def as_url(path: str) -> str:
    """Return how rsync's server on another node is asked for a path; one of this node is as it is."""
    found = REMOTE.fullmatch(path)
    return f"rsync://{found[1]}/disks{found[2]}" if found else path


def copies_by_url(driver: Any) -> None:
    """Let Nova's driver for rsync ask a server. It does not compress: disks are compressed, and networks fast."""
    copy = driver.copy_file

    def copied(self: Any, src: str, dst: str, **how: Any) -> None:
        copy(self, as_url(src), as_url(dst), **{**how, "compression": False})

    driver.copy_file = copied
    utils = importlib.import_module("nova.utils")
    utils.format_remote_path = lambda host, path: as_url(f"{utils.safe_ip_format(host)}:{path}")


def started_again(migrate: Callable[..., Any]) -> Callable[..., Any]:
    """Return Nova's way to send the disks of a VM, after which it runs on here when that fails."""
    exception = importlib.import_module("nova.exception")
    running = importlib.import_module("nova.compute.power_state").RUNNING

    def migrated(driver: Any, context: Any, vm: Any, dest: str, *rest: Any) -> Any:
        """``rest`` are the flavor, the networks, perhaps the block devices, and how long to wait."""
        try:
            return migrate(driver, context, vm, dest, *rest)
        except exception.InstanceFaultRollback:
            raise
        except Exception as error:
            if vm.power_state == running:
                driver.power_on(context, vm, *rest[1:3])
            reason = exception.ResizeError(reason=f"its disks could not be copied to {dest}: {error}")
            raise exception.InstanceFaultRollback(reason) from error

    return migrated


def fetched_as_file(_: Any, context: Any, path: str, image: str, vm: Any, host: str = "") -> None:
    """Fetch a kernel or a ramdisk; from the node where its VM was when the image is gone."""
    utils = importlib.import_module("nova.virt.libvirt.utils")
    try:
        utils.fetch_raw_image(context, path, image, vm.trusted_certs)
    except importlib.import_module("nova.exception").ImageNotFound:
        if not host:
            raise
        utils.copy_image(src=path, dest=path, host=host, receive=True)


def defined_and_running(check: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Return Nova's check that a VM has its serial ports already, which counts for one that runs."""

    def checked(driver: Any, vm: Any) -> bool:
        return check(driver, vm) and bool(driver._host.get_guest(vm).is_active())  # noqa: SLF001

    return checked


def part(whole: int, nodes: int, place: int) -> int:
    """Return how many of a machine's cores a node of it has; at least one, because no VM fits on none."""
    return max(1, whole // nodes + (place <= whole % nodes))


def offer_part(nodes: int, place: int, reserved: int) -> None:
    """Let Nova offer a node's part of the machine. One VM may have as many cores as the machine."""
    host = importlib.import_module("nova.virt.libvirt.host").Host
    driver = importlib.import_module("nova.virt.libvirt.driver").LibvirtDriver
    conf = importlib.import_module("nova.conf").CONF
    memory, free, disk = host.get_memory_mb_total, host._get_avail_memory_kb, driver._get_local_gb_info  # noqa: SLF001
    resources, inventory = driver.get_available_resource, driver.update_provider_tree

    def cores(whole: int) -> int:
        chosen = conf.compute.cpu_shared_set or conf.compute.cpu_dedicated_set
        return whole if chosen else part(whole, nodes, place)

    def offered(self: Any, nodename: str) -> Any:
        found = resources(self, nodename)
        return {**found, "vcpus": cores(found["vcpus"])}

    def updated(self: Any, tree: Any, nodename: str, *rest: Any, **named: Any) -> None:
        inventory(self, tree, nodename, *rest, **named)
        everything = tree.data(nodename).inventory
        if "VCPU" in everything:
            mine = {**everything["VCPU"], "total": cores(everything["VCPU"]["total"])}
            tree.update_inventory(nodename, {**everything, "VCPU": mine})

    host.get_memory_mb_total = lambda self: max(1, (memory(self) - reserved) // nodes)
    host._get_avail_memory_kb = staticmethod(lambda: max(0, free() - reserved * 1024) // nodes)  # noqa: SLF001
    driver._get_local_gb_info = staticmethod(lambda: {kind: size / nodes for kind, size in disk().items()})  # noqa: SLF001
    driver.get_available_resource, driver.update_provider_tree = offered, updated


def plugs() -> dict[str, str]:
    """Return the same for the plug-ins by which os-vif connects VMs, those of any SDN."""
    found = {f"{each.module.partition('.')[0]}.privsep" for each in importlib.metadata.entry_points(group="os_vif")}
    return dict.fromkeys((each for each in found if importlib.util.find_spec(each)), "vif_plug")


def prepare_compute() -> None:
    """Do for nova-compute what the head of this file says."""
    for module, context in (PRIVILEGED | plugs()).items():
        getattr(importlib.import_module(module), context).set_client_mode(enabled=False)
    if not IDENTITY.exists():
        IDENTITY.write_text(str(uuid.uuid5(uuid.NAMESPACE_DNS, os.environ["HOST_NAME"])))
    manager = importlib.import_module("nova.compute.manager").ComputeManager
    manager._sanity_check_new_host = without_deleted(manager._sanity_check_new_host)  # noqa: SLF001
    driver = importlib.import_module("nova.virt.libvirt.driver").LibvirtDriver
    driver.migrate_disk_and_power_off = started_again(driver.migrate_disk_and_power_off)
    driver._try_fetch_image = fetched_as_file  # noqa: SLF001
    driver._serial_ports_already_defined = defined_and_running(driver._serial_ports_already_defined)  # noqa: SLF001
    copies_by_url(importlib.import_module("nova.virt.libvirt.volume.remotefs").RsyncDriver)
    offer_part(*(int(os.environ.get(f"MACHINE_{name}", usual)) for name, usual in MACHINE.items()))


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
