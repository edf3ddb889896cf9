"""A VM, as its user and as its nodes see it. Its script says `WORD … END` on the console."""

import contextlib
import re
from dataclasses import dataclass
from typing import Any

from openstack.exceptions import NotFoundException

from demo import COMPUTES, Site
from waiting import NotYet, wait_for

SECONDS = 120
INSTANCES = "/var/lib/nova/instances"
ALIVE = """while :; do echo "ALIVE $(cut -d. -f1 /proc/uptime) END"; sleep 1; done
"""
"""Script of a VM of which `alive` can be asked."""


@dataclass(frozen=True)
class Vm:
    """A VM, as its user and as its nodes see it."""

    site: Site
    compute: Any
    network: Any
    id: str
    port: str
    address: str

    @property
    def seen(self) -> Any:
        return self.compute.get_server(self.id)

    @property
    def node(self) -> str:
        return str(self.seen.hypervisor_hostname)

    def all_told(self, word: str) -> list[str]:
        """Return what the console has after a word, each time; nothing at the moment at which it boots anew."""
        try:
            log = self.compute.get_server_console_output(self.id)["output"] or ""
        except NotFoundException:  # libvirt has it no more, or not yet
            return []
        return re.findall(rf"^{word} (.*?) END", log, re.MULTILINE)

    def told(self, word: str) -> str:
        """Return what the console has after a word, the last time, once it is there."""

        def look() -> str:
            found = self.all_told(word)
            if not found:
                raise NotYet(f"no {word} on the console of {self.id}")
            return found[-1]

        return wait_for(f"{word} on the console", look, SECONDS)

    def tells(self, word: str, wanted: str) -> None:
        """Wait until the console has this after a word, the last time: what it had before a boot may still be there."""

        def look() -> None:
            found = self.told(word)
            if found != wanted:
                raise NotYet(found)

        wait_for(f"{word} {wanted} on the console", look, SECONDS)

    def alive(self) -> int:
        """Return the seconds since it has booted, by its own clock, once its console goes on."""
        before = self.told("ALIVE")

        def goes_on() -> int:
            now = self.told("ALIVE")
            if now == before:
                raise NotYet(now)
            return int(now)

        return wait_for("the console to go on", goes_on, 60)

    def becomes(self, status: str) -> None:
        """Wait for a status, and for what is done with it to end."""

        def look() -> None:
            seen = self.seen
            assert seen.status != "ERROR", seen.fault
            if seen.status != status or seen.task_state:
                raise NotYet(f"{seen.status}, {seen.task_state}")

        wait_for(status, look, SECONDS)

    def domain(self, node: str) -> str:
        """Return what libvirt of a node has of it; nothing when it does not know it."""
        done = self.site.inside(node, "libvirt", "virsh", "-q", "dumpxml", self.id, check=False)
        return done.stdout if done.code == 0 else ""

    def files(self, node: str) -> list[str]:
        """Return its files on a node."""
        found = self.site.inside(node, "nova-compute", "find", INSTANCES, "-path", f"*{self.id}*")
        return found.stdout.split()

    def pinged_by(self, watcher: "Vm", times: int = 2) -> None:
        """The other VM reaches it from now on."""
        before = len(watcher.all_told("PING"))

        def look() -> None:
            since = watcher.all_told("PING")[before:]
            if since[-times:] != ["ok"] * times:
                raise NotYet(str(since[-10:]))

        wait_for("pings", look, 60)

    def is_only_on(self, node: str) -> None:
        """It runs there, its port is bound there, and nothing of it is elsewhere."""
        assert self.domain(node)

        def clean() -> None:
            bound = self.network.get_port(self.port).binding_host_id
            left = [has for each in COMPUTES if each != node for has in (self.files(each), self.domain(each)) if has]
            if (bound, self.node) != (node, node) or left:
                raise NotYet(f"bound on {bound}, on {self.node} for Nova; left: {left}")

        wait_for("the other nodes to be clean", clean, 30)


def gone(compute: Any, server: str) -> None:
    """Delete a VM and wait until it is gone."""
    compute.delete_server(server, ignore_missing=True)
    with contextlib.suppress(NotFoundException):
        compute.wait_for_delete(compute.get_server(server), wait=60)
