"""A network outside the cloud: a switch with a VLAN, and a router; Open vSwitch in a container."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from demo import DOCKER, engine
from tool import Outcome, run
from waiting import NotYet, wait_for

NAME = "stackyard-test-provider"
INTERFACE, LINK = "sy-trunk", "sy-host"
"""Interfaces of this host: the one that leads to the switch, and the one by which it reaches the router."""
RANGE, ROUTER, OUTSIDE = "203.0.113.0/24", "203.0.113.1", "203.0.113.2"
"""The network, its router, and an address of the router's without a VLAN."""
HOST, NEXT = "198.51.100.1", "198.51.100.2"
"""This host and the router on the link between them."""
HTTP = 8080
SWITCH = """
set -e
mkdir -p /run/openvswitch /tmp/switch
ovsdb-tool create /tmp/switch/conf.db /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server --remote=punix:/run/openvswitch/db.sock --detach --log-file=/dev/null /tmp/switch/conf.db
ovs-vsctl --no-wait init
ovs-vsctl --no-wait set Open_vSwitch . other_config:userspace-tso-enable=true
exec ovs-vswitchd --log-file=/dev/null unix:/run/openvswitch/db.sock
"""
"""Segments of TCP reach it before they are cut and have a checksum, as they pass between interfaces of one kernel."""


@dataclass(frozen=True)
class Provider:
    """The switch and the router; ``process`` is one of the container."""

    process: int

    def sh(self, *command: str, check: bool = True) -> Outcome:
        """Run a program of the container in it."""
        return engine("exec", NAME, *command, check=check)

    def beside(self, *command: str) -> list[str]:
        """Command that runs a program of this host where the router is."""
        return ["nsenter", "--target", str(self.process), "--net", *command]

    def tag(self, vlan: int) -> None:
        """The network is that VLAN from now on."""
        self.sh("ovs-vsctl", "set", "Port", "router", f"tag={vlan}")

    def port(self, name: str, vlan: int, address: str) -> str:
        """Give the router a port in a VLAN, with an address and its prefix length; the address."""
        interface = ["set", "Interface", name, "type=internal"]
        self.sh("ovs-vsctl", "--may-exist", "add-port", "switch", name, f"tag={vlan}", "--", *interface)
        wait_for(f"the port {name}", lambda: self._there(name), 10)
        run(*self.beside("ip", "address", "replace", address, "dev", name))
        run(*self.beside("ip", "link", "set", name, "up"))
        return address.partition("/")[0]

    def _there(self, name: str) -> None:
        if run(*self.beside("ip", "link", "show", name), check=False).code:
            raise NotYet(name)

    @contextmanager
    def capture(self) -> Iterator[list[str]]:
        """Frames on the wire while the block runs, a line each, once it has ended."""
        lines: list[str] = []
        command = [DOCKER, "exec", NAME, "tcpdump", "-l", "-nn", "-e", "-i", "wire"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr
            assert process.stdout
            while "listening on" not in process.stderr.readline():
                assert process.poll() is None
            yield lines
            self.sh("sh", "-c", "kill $(cat /proc/[0-9]*/stat | awk '$2 == \"(tcpdump)\" {print $1}')")
            lines += process.stdout.read().splitlines()


@contextmanager
def provider(image: str, vlan: int) -> Iterator[Provider]:
    """The network, as long as the block. The image has Open vSwitch."""
    options = ["--network", "none", "--user", "0", "--sysctl", "net.ipv4.ip_forward=1", "--device", "/dev/net/tun"]
    options += [f"--cap-add={each}" for each in ("NET_ADMIN", "NET_RAW")]
    removed()
    try:
        engine("run", "--detach", "--name", NAME, *options, "--entrypoint", "sh", image, "-c", SWITCH)
        made = Provider(json.loads(engine("inspect", NAME).stdout)[0]["State"]["Pid"])
        for name, peer in ((INTERFACE, "wire"), (LINK, "host")):
            run("ip", "link", "add", name, "type", "veth", "peer", "name", peer, "netns", str(made.process))
            run("ip", "link", "set", name, "up")
        run("ip", "address", "add", f"{HOST}/24", "dev", LINK)
        wait_for("the switch", lambda: switches(made), 30)
        for name, address in (("router", f"{ROUTER}/24"), ("plain", f"{OUTSIDE}/32"), ("host", f"{NEXT}/24")):
            run(*made.beside("ip", "address", "add", address, "dev", name))
        for name in ("wire", "router", "plain", "host"):
            run(*made.beside("ip", "link", "set", name, "up"))
        made.tag(vlan)
        run(*made.beside("ip", "route", "add", "default", "via", HOST))
        run("ip", "route", "add", RANGE, "via", NEXT)
        serve = made.beside(sys.executable, "-m", "http.server", str(HTTP), "--bind", NEXT)
        with subprocess.Popen(serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            yield made
            server.terminate()
    finally:
        removed()


def switches(made: Provider) -> None:
    """Probe: Open vSwitch has made its ports."""
    ports = ["--may-exist", "add-br", "switch", "--", "set", "Bridge", "switch", "datapath_type=netdev"]
    ports += ["--", "--may-exist", "add-port", "switch", "wire"]
    for name in ("router", "plain"):
        ports += ["--", "--may-exist", "add-port", "switch", name, "--", "set", "Interface", name, "type=internal"]
    done = made.sh("ovs-vsctl", "--timeout=5", *ports, check=False)
    if done.code or run(*made.beside("ip", "link", "show", "plain"), check=False).code:
        raise NotYet(done.stderr)


def removed() -> None:
    """Nothing of it is there."""
    engine("rm", "--force", NAME, check=False)
    for name in (INTERFACE, LINK):
        with contextlib.suppress(AssertionError):
            run("ip", "link", "delete", name)
