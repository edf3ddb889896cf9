"""The cloud as the proof sees it: few nouns, each a call or two of an API."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

from stackyard.effects.openstack import NOT_FOUND, TIMEOUT, ApiError, NoAnswerError
from stackyard.errors import StackyardError
from stackyard.guest.guest import Guest
from stackyard.model.site import PublicNetwork
from stackyard.verify.script import PORT

MICROVERSION = "2.74"
"""Of the compute API (Train): enough for what is asked, and old enough for any cloud."""

PATIENCE = TIMEOUT
"""Seconds that an API has for an answer."""
IMPATIENCE = 5.0
"""Seconds that it has when it did not answer the last time that it was asked the like."""

VOLUMES = "block-storage"
"""Type of the service of volumes, which only some sites have."""

_PING: dict[str, Any] = {"protocol": "icmp"}
_HTTP: dict[str, Any] = {"protocol": "tcp", "port_range_min": PORT, "port_range_max": PORT}
_ANYBODY: dict[str, Any] = {"direction": "ingress", "ethertype": "IPv4", "remote_ip_prefix": "0.0.0.0/0"}


class Api(Protocol):
    """What calls the APIs: ``effects.openstack.Api``, or a stand-in."""

    def call(
        self,
        service: str,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        data: bytes | None = None,
        version: str | None = None,
        timeout: float = TIMEOUT,
    ) -> Any:
        """Call a service and return the decoded answer. Raises ApiError, NoAnswerError when it takes too long."""

    def url(self, service: str, timeout: float = TIMEOUT) -> str:
        """Where a service answers."""


@dataclass(frozen=True)
class Compute:
    """The compute service of a node, as Nova knows it; without ``hypervisor`` nothing can be placed there."""

    host: str
    zone: str
    up: bool
    enabled: bool
    hypervisor: bool


@dataclass(frozen=True)
class Agent:
    """A network agent of a node, as Neutron knows it."""

    host: str
    kind: str
    alive: bool


@dataclass(frozen=True)
class Network:
    """A network that was made; ``kind`` is the encapsulation that Neutron gave it, ``segment`` its number."""

    id: str
    subnet: str
    kind: str
    segment: int | None
    mtu: int


@dataclass(frozen=True)
class Port:
    """A port with the address that it was given."""

    id: str
    address: str


@dataclass(frozen=True)
class Server:
    """A VM; ``doing`` is what is done with it at the moment, ``fault`` why it is in ERROR."""

    id: str
    name: str
    status: str
    host: str
    zone: str
    doing: str
    fault: str


@dataclass(frozen=True)
class Resource:
    """Anything that the proof has made."""

    kind: str
    id: str
    name: str


@dataclass(frozen=True)
class _Kind:
    """Where the resources of a kind are, and which others hold them: those have to be gone first."""

    service: str
    path: str
    key: str
    query: str = ""
    held_by: str = ""
    named: str = "name"


KINDS = {
    "floating address": _Kind("network", "/v2.0/floatingips", "floatingips", named="description"),
    "server": _Kind("compute", "/servers", "servers"),
    "router": _Kind("network", "/v2.0/routers", "routers", held_by="floating address"),
    "port": _Kind("network", "/v2.0/ports", "ports", held_by="server"),
    "network": _Kind("network", "/v2.0/networks", "networks", held_by="port"),
    "volume": _Kind(VOLUMES, "/volumes", "volumes", held_by="server"),
    "security group": _Kind("network", "/v2.0/security-groups", "security_groups", held_by="port"),
    "flavor": _Kind("compute", "/flavors", "flavors", "?is_public=None"),
    "image": _Kind("image", "/v2/images", "images", "?limit=1000"),
}
"""In the order in which they can be deleted."""
OUTSIDE = {"floating address", "router"}
"""Kinds that only sites have which lead out."""
SERVICES = ("compute", "image", "network")
"""Types of the services that every site has."""


class OutOfTimeError(StackyardError):
    """All the time that there was for several calls is over."""


class Cloud:
    """The nouns over the APIs. Every method raises ApiError when an API refuses or does not answer.

    With a ``limit``, OutOfTimeError when the time for all calls together is over. ``volumes`` and ``public`` say what a
    site has beyond what every site has.
    """

    def __init__(self, api: Api, *, volumes: bool = False, public: bool = False) -> None:
        self._api = api
        self.services = (*SERVICES, VOLUMES) if volumes else SERVICES
        lacking = set() if public else OUTSIDE
        self.kinds = {
            name: kind for name, kind in KINDS.items() if kind.service in self.services and name not in lacking
        }
        self._silent: set[str] = set()
        self._end = float("inf")
        self._late = ""

    def limit(self, what: str, seconds: float) -> None:
        """From now on there are so many seconds for all calls, that is for ``what``."""
        self._end = time.monotonic() + seconds
        self._late = f"{what} took longer than {seconds:.0f} s"

    @property
    def late(self) -> str:
        """What to say when the time is over; nothing as long as it is not."""
        return self._late if time.monotonic() >= self._end else ""

    def _patience(self, question: str) -> float:
        """Seconds that there are for the answer to a question."""
        if self.late:
            raise OutOfTimeError(self.late)
        return min(self._end - time.monotonic(), IMPATIENCE if question in self._silent else PATIENCE)

    def _call(self, service: str, method: str, path: str, **how: Any) -> Any:
        """Call a service, and remember whether it answered: each kind of call may hang alone."""
        question = f"{service} {method} {path.rpartition('/')[0]}"
        try:
            answer = self._api.call(service, method, path, timeout=self._patience(question), **how)
        except NoAnswerError:
            self._silent.add(question)
            raise
        self._silent.discard(question)
        return answer

    def sign_in(self) -> dict[str, str]:
        """Sign in, and return where the APIs are."""
        return {service: self._api.url(service, self._patience("")) for service in self.services}

    def endpoints(self) -> dict[str, str]:
        """Sign in, ask each API something, and return where they are."""
        found = self.sign_in()
        for kind in ("server", "image", "network", "volume"):
            if kind in self.kinds:
                self.of_kind(kind, "-")
        return found

    def computes(self, binary: str) -> list[Compute]:
        """Return the services of that name that run VMs."""
        services = self._call("compute", "GET", f"/os-services?binary={binary}")["services"]
        hypervisors = self._call("compute", "GET", "/os-hypervisors/detail")["hypervisors"]
        mapped = {each["service"]["host"] for each in hypervisors}
        return [
            Compute(
                host=each["host"],
                zone=each["zone"],
                up=each["state"] == "up",
                enabled=each["status"] == "enabled",
                hypervisor=each["host"] in mapped,
            )
            for each in services
        ]

    def agents(self) -> list[Agent]:
        """Return the network agents."""
        answer = self._call("network", "GET", "/v2.0/agents")
        return [Agent(each["host"], each["agent_type"], bool(each["alive"])) for each in answer["agents"]]

    def upload(self, prefix: str, guest: Guest) -> str:
        """Upload a guest, as an image that boots with its own kernel, and return the image's id."""
        with ThreadPoolExecutor() as pool:
            kernel = pool.submit(self._image, f"{prefix}kernel", "aki", guest.kernel.read_bytes(), {})
            ramdisk = pool.submit(self._image, f"{prefix}initramfs", "ari", guest.initramfs.read_bytes(), {})
            try:
                properties = {
                    "kernel_id": kernel.result(),
                    "ramdisk_id": ramdisk.result(),
                    "os_command_line": guest.command_line,
                }
            except KeyboardInterrupt:
                self.limit("uploading", 0)  # what goes on is waited for, and must not begin something new
                raise
        return self._image(f"{prefix}disk", "raw", guest.disk.read_bytes(), properties)

    def _image(self, name: str, form: str, content: bytes, properties: Mapping[str, str]) -> str:
        image = self._call(
            "image",
            "POST",
            "/v2/images",
            body={
                "name": name,
                "disk_format": form,
                "container_format": "bare" if form == "raw" else form,
                "visibility": "private",
                **properties,
            },
        )
        self._call("image", "PUT", f"/v2/images/{image['id']}/file", data=content)
        return str(image["id"])

    def make_flavor(self, name: str, ram: int) -> str:
        """Make a flavor of one core, ``ram`` MB, and the disk as small as the image."""
        body = {"name": name, "ram": ram, "vcpus": 1, "disk": 0, "os-flavor-access:is_public": False}
        return str(self._call("compute", "POST", "/flavors", body={"flavor": body})["flavor"]["id"])

    def make_network(self, name: str, cidr: str) -> Network:
        """Make a network with a subnet."""
        made = self._call("network", "POST", "/v2.0/networks", body={"network": {"name": name}})["network"]
        subnet = {"name": name, "network_id": made["id"], "ip_version": 4, "cidr": cidr}
        subnet = self._call("network", "POST", "/v2.0/subnets", body={"subnet": subnet})["subnet"]
        return Network(
            id=made["id"],
            subnet=subnet["id"],
            kind=made.get("provider:network_type", ""),
            segment=made.get("provider:segmentation_id"),
            mtu=made["mtu"],
        )

    def make_group(self, name: str) -> str:
        """Make a security group that lets in pings and HTTP, and nothing else."""
        body = {"security_group": {"name": name}}
        group = self._call("network", "POST", "/v2.0/security-groups", body=body)["security_group"]["id"]
        for protocol in (_PING, _HTTP):
            rule = {"security_group_id": group, **_ANYBODY, **protocol}
            self._call("network", "POST", "/v2.0/security-group-rules", body={"security_group_rule": rule})
        return str(group)

    def make_port(self, name: str, network: str, group: str) -> Port:
        """Make a port in a network."""
        body = {"port": {"name": name, "network_id": network, "security_groups": [group]}}
        made = self._call("network", "POST", "/v2.0/ports", body=body)["port"]
        return Port(made["id"], made["fixed_ips"][0]["ip_address"])

    def external(self, cidr: str) -> str:
        """Return a network that leads out through this range; empty when there is none."""
        query = "?router:external=true&fields=id"
        outside = {each["id"] for each in self._call("network", "GET", f"/v2.0/networks{query}")["networks"]}
        subnets = self._call("network", "GET", f"/v2.0/subnets?cidr={quote(cidr, safe='')}")["subnets"]
        return next((str(each["network_id"]) for each in subnets if each["network_id"] in outside), "")

    def make_external(self, name: str, public: PublicNetwork) -> str:
        """Make the network that leads out; return its id."""
        kind = "flat" if public.vlan is None else "vlan"
        outside = {"provider:network_type": kind, "provider:physical_network": "public", "router:external": True}
        outside |= {} if public.vlan is None else {"provider:segmentation_id": public.vlan}
        made = self._call("network", "POST", "/v2.0/networks", body={"network": {"name": name, **outside}})["network"]
        subnet = {
            "name": name,
            "network_id": made["id"],
            "ip_version": 4,
            "cidr": str(public.range),
            "gateway_ip": str(public.router),
            "enable_dhcp": False,
            "allocation_pools": [public.given_away.model_dump(mode="json")],
        }
        self._call("network", "POST", "/v2.0/subnets", body={"subnet": subnet})
        return str(made["id"])

    def make_router(self, name: str, external: str, subnet: str) -> str:
        """Make a router from a subnet to an external network, and return its id."""
        body = {"router": {"name": name, "external_gateway_info": {"network_id": external}}}
        made = self._call("network", "POST", "/v2.0/routers", body=body)["router"]
        self._call("network", "PUT", f"/v2.0/routers/{made['id']}/add_router_interface", body={"subnet_id": subnet})
        return str(made["id"])

    def make_floating(self, name: str, external: str, port: str) -> str:
        """Give a port an address of an external network, and return that."""
        body = {"floatingip": {"description": name, "floating_network_id": external, "port_id": port}}
        made = self._call("network", "POST", "/v2.0/floatingips", body=body)["floatingip"]
        return str(made["floating_ip_address"])

    def _disconnect(self, router: str) -> None:
        """Take a router's interfaces away."""
        for port in self._call("network", "GET", f"/v2.0/ports?device_id={router}")["ports"]:
            if port["device_owner"] == "network:router_interface":
                path = f"/v2.0/routers/{router}/remove_router_interface"
                self._call("network", "PUT", path, body={"port_id": port["id"]})

    def boot(self, name: str, *, image: str, flavor: str, port: str, zone: str, user_data: str) -> str:
        """Ask for a VM in a zone, or `zone:host`, and return its id."""
        body = {
            "name": name,
            "imageRef": image,
            "flavorRef": flavor,
            "networks": [{"port": port}],
            "availability_zone": zone,
            "user_data": base64.b64encode(user_data.encode()).decode(),
        }
        made = self._call("compute", "POST", "/servers", body={"server": body}, version=MICROVERSION)
        return str(made["server"]["id"])

    def server(self, server_id: str) -> Server:
        """Return what is known of a VM."""
        found = self._call("compute", "GET", f"/servers/{server_id}", version=MICROVERSION)["server"]
        return Server(
            id=found["id"],
            name=found["name"],
            status=found["status"],
            host=found.get("OS-EXT-SRV-ATTR:host") or "",
            zone=found.get("OS-EXT-AZ:availability_zone") or "",
            doing=found.get("OS-EXT-STS:task_state") or "",
            fault=found.get("fault", {}).get("message", ""),
        )

    def console(self, server_id: str) -> str:
        """Return the console log of a VM; empty while there is none."""
        body: dict[str, Any] = {"os-getConsoleOutput": {}}
        path = f"/servers/{server_id}/action"
        return str(self._call("compute", "POST", path, body=body)["output"] or "")

    def make_volume(self, name: str) -> str:
        """Ask for a volume of 1 GiB, and return its id."""
        return str(self._call(VOLUMES, "POST", "/volumes", body={"volume": {"name": name, "size": 1}})["volume"]["id"])

    def volume(self, volume_id: str) -> str:
        """Return the status of a volume."""
        return str(self._call(VOLUMES, "GET", f"/volumes/{volume_id}")["volume"]["status"])

    def attach(self, server_id: str, volume_id: str) -> None:
        """Ask for a volume to become a disk of a VM."""
        body = {"volumeAttachment": {"volumeId": volume_id}}
        self._call("compute", "POST", f"/servers/{server_id}/os-volume_attachments", body=body)

    def detach(self, server_id: str, volume_id: str) -> None:
        """Ask for a disk to leave a VM."""
        self._call("compute", "DELETE", f"/servers/{server_id}/os-volume_attachments/{volume_id}")

    def of_kind(self, kind: str, prefix: str) -> list[Resource]:
        """Return the resources of a kind whose names begin so."""
        where = KINDS[kind]
        found = self._call(where.service, "GET", f"{where.path}{where.query}")[where.key]
        named = [(each["id"], str(each.get(where.named) or "")) for each in found]
        return [Resource(kind, identity, name) for identity, name in named if name.startswith(prefix)]

    def delete(self, resource: Resource) -> None:
        """Ask for a resource to be deleted; one that is gone is fine."""
        where = KINDS[resource.kind]
        try:
            if resource.kind == "router":
                self._disconnect(resource.id)
            self._call(where.service, "DELETE", f"{where.path}/{resource.id}")
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
