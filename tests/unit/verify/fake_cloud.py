"""A cloud that exists in memory: answers as the APIs do, and its VMs say on their consoles what they should."""

import base64
import itertools
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

from stackyard.effects.openstack import TIMEOUT, ApiError, NoAnswerError
from stackyard.effects.web import Answer
from stackyard.guest.guest import Guest
from stackyard.plan.resolved import PublicUrl
from stackyard.verify.capture import CapturePoint
from stackyard.verify.frames import Frames
from stackyard.verify.script import digest, served
from stackyard.verify.target import ComputeNode, Target

HOSTS = {"compute1": "az1", "compute2": "az2"}
TUNNELS = {"compute1": "198.18.81.11", "compute2": "198.18.81.12"}
LISTS = {
    "/servers": "servers",
    "/flavors": "flavors",
    "/v2/images": "images",
    "/v2.0/ports": "ports",
    "/v2.0/networks": "networks",
    "/v2.0/security-groups": "security_groups",
    "/volumes": "volumes",
    "/v2.0/routers": "routers",
    "/v2.0/floatingips": "floatingips",
}


class Clock:
    """A clock that stands still until somebody moves it."""

    now = 0.0


class FakeApi:
    """What `effects.openstack.Api` does, without a cloud. The attributes are what can be broken."""

    def __init__(self):
        self.things = {key: {} for key in LISTS.values()}
        self.calls = []
        self.ids = itertools.count(1)
        self.zones = dict(HOSTS)
        self.placed = {zone: host for host, zone in HOSTS.items()}
        self.dead_agents = set()
        self.unmapped = set()
        self.polls_to_active = 1
        self.fault = ""
        self.silent = set()
        self.uuid = None
        self.corrupt = False
        self.refuse = set()
        self.consoles_late = 0
        self.volume_fails = False
        self.other_bytes = False
        self.outside = None
        self.clock = Clock()
        self.hangs = set()

    def url(self, service, timeout):
        self._answer("POST", "/v3/auth/tokens", timeout)
        return f"http://{service}.test"

    def call(self, service, method, path, *, body=None, timeout=TIMEOUT, **_how):
        self.calls.append((method, path))
        self._answer(method, path, timeout)
        if (method, path.partition("?")[0]) in self.refuse:
            raise ApiError(f"{service} refuses", 500)
        path, _, _query = path.partition("?")
        if path in LISTS and method == "GET":
            return {LISTS[path]: list(self.things[LISTS[path]].values())}
        collection, _, identity = path.rpartition("/")
        if collection in LISTS and method == "DELETE":
            return self._delete(collection, identity)
        return getattr(self, "_" + re.sub(r"\W+", "_", f"{method} {self._general(path)}").lower())(path, body)

    def make(self, key, **values):
        """Put a thing into a list, and return it."""
        thing = {"id": f"{key}-{next(self.ids)}", **values}
        self.things[key][thing["id"]] = thing
        return thing

    def _answer(self, method, path, timeout):
        """Take all the time that there is, when it is one of those that hang."""
        if (method, general(path)) in self.hangs:
            self.clock.now += timeout
            raise NoAnswerError(f"{method} {path}: no answer in {timeout:.0f} s")

    @staticmethod
    def _general(path):
        return re.sub(r"/(images|servers|volumes|os-volume_attachments|routers)/[^/]+", r"/\1/id", path)

    def _delete(self, collection, identity):
        if identity not in self.things[LISTS[collection]]:
            raise ApiError("no such thing", 404)
        if collection == "/v2.0/networks" and self.things["ports"]:
            raise ApiError("there are ports in use on the network", 409)
        if collection == "/v2.0/routers" and any(each["device_owner"] for each in self.things["ports"].values()):
            raise ApiError("the router has interfaces", 409)
        if collection == "/v2.0/ports" and self.things["servers"]:
            raise ApiError("a server has it", 409)
        del self.things[LISTS[collection]][identity]

    def _get_os_services(self, _path, _body):
        return {
            "services": [
                {"host": host, "zone": zone, "state": "up", "status": "enabled"} for host, zone in self.zones.items()
            ]
        }

    def _get_os_hypervisors_detail(self, _path, _body):
        return {"hypervisors": [{"service": {"host": host}} for host in self.zones if host not in self.unmapped]}

    def _get_v2_0_agents(self, _path, _body):
        return {"agents": [{"host": h, "agent_type": "Agent", "alive": h not in self.dead_agents} for h in HOSTS]}

    def _post_v2_images(self, _path, body):
        return self.make("images", **body)

    def _put_v2_images_id_file(self, _path, _body):
        return None

    def _post_flavors(self, _path, body):
        return {"flavor": self.make("flavors", **body["flavor"])}

    def _post_v2_0_networks(self, _path, body):
        provider = {"provider:network_type": "vxlan", "provider:segmentation_id": 4}
        return {"network": self.make("networks", mtu=1450, **{**provider, **body["network"]})}

    def _post_v2_0_subnets(self, _path, body):
        return {"subnet": {"id": "subnet-1", **body["subnet"]}}

    def _get_v2_0_subnets(self, _path, _body):
        """Of the external network; the fake has no other that is asked for by its range."""
        found = [each["id"] for each in self.things["networks"].values() if each.get("router:external")]
        return {"subnets": [{"network_id": each} for each in found]}

    def _post_v2_0_routers(self, _path, body):
        return {"router": self.make("routers", **body["router"])}

    def _put_v2_0_routers_id_add_router_interface(self, path, _body):
        owner = {"device_owner": "network:router_interface", "device_id": path.split("/")[3]}
        self.make("ports", name="", fixed_ips=[], **owner)

    def _put_v2_0_routers_id_remove_router_interface(self, _path, body):
        del self.things["ports"][body["port_id"]]

    def _post_v2_0_floatingips(self, _path, body):
        return {"floatingip": self.make("floatingips", floating_ip_address="198.18.82.150", **body["floatingip"])}

    def ask(self, url, _timeout):
        """What answers at a floating address: the VM whose port has it, unless something is wrong."""
        if self.outside:
            return self.outside
        port = next(iter(self.things["floatingips"].values()))["port_id"]
        server = next(each for each in self.things["servers"].values() if each["port"] == port)
        values = variables(server["script"])
        assert url == "http://198.18.82.150:80/data"
        return Answer(200, served(values["SEED"], values["ADDRESS"]).decode())

    def _post_v2_0_security_groups(self, _path, body):
        return {"security_group": self.make("security_groups", **body["security_group"])}

    def _post_v2_0_security_group_rules(self, _path, body):
        return body

    def _post_v2_0_ports(self, _path, body):
        address = f"10.77.0.{11 + len(self.things['ports'])}"
        return {"port": self.make("ports", fixed_ips=[{"ip_address": address}], device_owner="", **body["port"])}

    def _post_servers(self, _path, body):
        wanted = body["server"]
        host = self.placed[wanted["availability_zone"]]
        port = wanted["networks"][0]["port"]
        server = self.make("servers", name=wanted["name"], polls=0, host=host, port=port, script=wanted["user_data"])
        return {"server": server}

    def _post_volumes(self, _path, body):
        return {"volume": self.make("volumes", **body["volume"], held="", writer="")}

    def _get_volumes_id(self, path, _body):
        volume = self.things["volumes"][path.rpartition("/")[2]]
        return {"volume": {"status": "error" if self.volume_fails else "in-use" if volume["held"] else "available"}}

    def _post_servers_id_os_volume_attachments(self, path, body):
        server, volume = path.split("/")[2], self.things["volumes"][body["volumeAttachment"]["volumeId"]]
        volume["held"], volume["writer"] = server, volume["writer"] or server

    def _delete_servers_id_os_volume_attachments_id(self, path, _body):
        self.things["volumes"][path.rpartition("/")[2]]["held"] = ""

    def _get_servers_id(self, path, _body):
        server = self.things["servers"][path.rpartition("/")[2]]
        server["polls"] += 1
        active = server["polls"] > self.polls_to_active
        status = "ERROR" if self.fault else "ACTIVE" if active else "BUILD"
        shown = {
            "id": server["id"],
            "name": server["name"],
            "status": status,
            "OS-EXT-SRV-ATTR:host": server["host"],
            "OS-EXT-AZ:availability_zone": HOSTS[server["host"]],
        }
        return {"server": shown | ({"fault": {"message": self.fault}} if self.fault else {})}

    def _post_servers_id_action(self, path, _body):
        server = self.things["servers"][path.split("/")[2]]
        if self.consoles_late:
            self.consoles_late -= 1
            raise ApiError("Unable to get console log, not found", 404)
        return {"output": self._console(server)}

    def _console(self, server):
        values = variables(server["script"])
        lines = [
            ("boot", "boot=started uptime=2.2 kernel=6.12"),
            ("dhcp", f"dhcp=ok address={values['ADDRESS']} mask=24 mtu=1450 uptime=2.6"),
            ("metadata", f"metadata=ok instance-id=i-1 uuid={self.uuid or server['id']} hostname=x uptime=2.7"),
            ("script", f"script=started name={values['NAME']} serving=80 bytes=1000000 uptime=2.9"),
        ]
        for volume in self.things["volumes"].values():
            own = digest(values["SEED"], values["ADDRESS"])
            peer, _, peers = values["PEERS"].split()[0].partition("=")
            if volume["writer"] == server["id"]:
                lines.append(("disk", f"disk=vdb written=ok sha256={own} uptime=9"))
            elif volume["held"] == server["id"]:
                lines.append(("disk", f"disk=vdb holds={peer} sha256={own if self.other_bytes else peers} uptime=9"))
        for number, peer in enumerate(values["PEERS"].split()):
            address, _, wanted = peer.partition("=")
            got = "0" * 64 if self.corrupt else wanted
            lines += [
                ("ping", f"peer={address} ping=ok ms=1.5 uptime={3 + number}"),
                ("tcp", f"peer={address} tcp=ok bytes=1000000 sha256={got} attempt=1 begin=3.0 end=3.5"),
            ]
        return "SeaBIOS\n" + "".join(f"STACKYARD {line}\n" for name, line in lines if name not in self.silent)


def variables(user_data):
    """The variables at the head of a VM's script."""
    script = base64.b64decode(user_data).decode()
    return dict(shlex.split(line)[0].split("=", 1) for line in script.splitlines() if re.match(r"[A-Z]+=", line))


def general(path):
    """A path without its query and the ids in it."""
    return re.sub(r"/[a-z_]+-\d+", "/ID", path.partition("?")[0])


class FakeCapture:
    """Hears the pings of the two VMs at once."""

    encapsulation = "VXLAN"
    started = 0
    stopped = 0

    def __init__(self, _engine, point):
        self.point = point
        self.frames = Frames()

    def start(self):
        type(self).started += 1
        ends = [("198.18.81.11", "10.77.0.11"), ("198.18.81.12", "10.77.0.12")]
        for kind in ("request", "reply"):
            for (outer, inner), (outer_to, inner_to) in (ends, ends[::-1]):
                self.frames.feed(
                    f"09:45:37.230884 IP {outer}.56219 > {outer_to}.4789: {self.encapsulation}, flags [I] (0x08), vni 4"
                )
                self.frames.feed(f"IP {inner} > {inner_to}: ICMP echo {kind}, id 7, seq 0, length 64")

    def waits(self):
        return ""

    def stop(self):
        type(self).stopped += 1


def target(
    folder: Path,
    hosts: Iterable[str] = HOSTS,
    urls: tuple[PublicUrl, ...] = (),
    *,
    volumes: bool = False,
    public: str = "",
) -> Target:
    """Compute nodes, and a guest of a few bytes."""
    for name in ("kernel", "initramfs", "disk"):
        (folder / name).write_bytes(name.encode())
    guest = Guest("0123", "trixie", "amd64", "console=ttyS0", {"busybox-static": "1"}, {"kernel": 6}, {}, folder)
    return Target(
        site="demo",
        encapsulation="vxlan",
        hypervisor="nova-compute",
        credentials={},
        hosts=tuple(ComputeNode(name, zone, TUNNELS[name], zone) for name, zone in HOSTS.items() if name in hosts),
        capture_points=tuple(
            CapturePoint(name, f"tap-{name}", f"demo-{name}", "image", ("tcpdump", "-nn")) for name in hosts
        ),
        guest=guest,
        tag="run",
        urls=urls,
        volumes=volumes,
        public=public,
    )
