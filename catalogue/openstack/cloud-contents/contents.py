"""Make what the site file says that the cloud contains, and keep it so.

CONTENTS lists it. What is made has MARK in its description, or in the property of that name of an image: only that is
changed, and removed when it is not listed any more. What people made stays as it is, even when it has a name of the
list. What is in use cannot be removed: that is said. Safe to kill and to run again.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from keystoneauth1 import exceptions, session
from keystoneauth1.adapter import Adapter
from keystoneauth1.identity import v3
from ranges import moved

FOLDER = Path("/etc/cloud-contents")
MARK = "Made from the site file."
IMAGE_MARK, REVISION = "made_from", "made_from_revision"
"""Properties of an image: MARK, and what its contents are known by."""
USERS_ROLES, PROJECTS_QUOTAS = "site_roles", "site_quotas"
"""Attributes of users and projects: what this script gave them."""
DESCRIBED = "2.55"
"""Of the compute API (Queens): flavors have a description."""
ANSWER = 60
"""Seconds that an API has for each part of an answer."""
DEADLINE, MINUTE, INTERVAL = 300, 60, 1
QUOTAS = {"compute": ("/os-quota-sets/{}", "quota_set"), "network": ("/v2.0/quotas/{}", "quota")}
"""API -> where the quotas of a project are, and the key of its answer."""
Object = dict[str, Any]


class Refused(Exception):  # noqa: N818 - what a server said
    """What an API said to a call that another try does not mend."""


def said(error: exceptions.HttpError) -> str:
    """What an API has against a call; keystoneauth does not know how Neutron says it."""
    try:
        body = error.response.json()
        told = [each["message"] for each in body.values() if isinstance(each, dict) and each.get("message")]
    except (AttributeError, ValueError):
        told = []
    return f"{told[0]} (HTTP {error.http_status})" if told else error.message or str(error)


class Api:
    """An API of the cloud, called with the rights of a service."""

    def __init__(self, own: session.Session, service: str, region: str, version: str | None = None) -> None:
        self.name = service
        self._adapter = Adapter(
            own, service_type=service, interface="internal", region_name=region, default_microversion=version
        )

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """The decoded answer; None when there is nothing in it. Raises Refused."""
        how = {"json": body} if body is not None else {}
        try:
            answer = self._adapter.request(path, method, **how, **more)
        except exceptions.HttpError as error:
            if error.http_status in (401, 502, 503, 504):
                raise
            raise Refused(said(error)) from error
        return answer.json() if answer.content else None

    def all(self, path: str, key: str) -> list[Object]:
        """Every object of a list, of all its pages."""
        found: list[Object] = []
        where = path
        while where:
            answer = self.call("GET", where)
            found += answer[key]
            where = answer.get("next") or ""
        return found


class Cloud:
    """The APIs, what is there, and what was done."""

    def __init__(self, access: dict[str, str]) -> None:
        region = access.pop("region")
        auth = v3.Password(**access)
        own = session.Session(auth=auth, timeout=ANSWER)
        self.identity = Api(own, "identity", region)
        self.image = Api(own, "image", region)
        self.network = Api(own, "network", region)
        self.compute = Api(own, "compute", region, DESCRIBED)
        self.apis = {"compute": self.compute, "network": self.network}
        found = auth.get_access(own)
        self.domain, self.project = found.project_domain_id, found.project_id
        self.problems: list[str] = []
        self.projects: dict[str, str] = {}
        self.networks: dict[str, Object] = {}

    def wait(self) -> None:
        """Ask each API the least that it must answer for the rest to work. Raises ClientException."""
        self.image.call("GET", "/v2/images?limit=1")
        self.compute.call("GET", "/flavors?limit=1")
        self.network.call("GET", "/v2.0/networks?limit=1&fields=id")

    def owner(self, name: str | None) -> str:
        """Id of the project that has something; that of the services when none is named. Raises Refused."""
        if name and name not in self.projects:
            raise Refused(f"there is no project {name}, because it could not be made")
        return self.projects[name] if name else self.project

    def attempt(self, what: str, act: Callable[[], Any]) -> Any:
        """Do something, and note what an API has against it."""
        try:
            return act()
        except Refused as error:
            self.problems.append(f"{what}: {error}")
            return None


def tell(text: str) -> None:
    """Say what was done."""
    print(text, flush=True)


def ours(found: Object) -> bool:
    """Whether this script made something."""
    return str(found.get("description") or "").startswith(MARK) or found.get(IMAGE_MARK) == MARK


def described(text: str = "") -> str:
    """Description of something that is made here."""
    return f"{MARK} {text}".strip()


def differing(found: Object, wanted: Object) -> Object:
    """The part of what is wanted that is not so."""
    return {key: value for key, value in wanted.items() if found.get(key) != value}


class Kind:
    """A kind of objects of an API: ``path`` is where its list is, ``one`` and ``many`` are the keys of answers."""

    def __init__(self, api: Api, path: str, one: str, many: str, *, patch: str = "PUT", listed: str = "") -> None:
        self.api, self.path, self.one, self.patch = api, path, one, patch
        self.there = api.all(listed or path, many)

    def ensure(self, label: str, match: Object, wanted: Object, fixed: Object | None = None) -> Object:
        """The object that ``match`` finds, made if there is none, with all of ``wanted`` if it is ours.

        ``fixed`` cannot change later. Raises Refused.
        """
        found = [each for each in self.there if not differing(each, match)]
        mine = [each for each in found if ours(each)]
        if found and not mine:
            tell(f"note: {label} is not from the site file, and stays as it is")
            return found[0]
        if not found:
            body = {**match, **(fixed or {}), "description": MARK, **wanted}
            made: Object = self.api.call("POST", self.path, {self.one: body})[self.one]
            tell(f"{label} is made")
            self.there.append(made)
            return made
        if changed := differing(mine[0], wanted):
            mine[0].update(self.api.call(self.patch, f"{self.path}/{mine[0]['id']}", {self.one: changed})[self.one])
            tell(f"{label} is changed: {', '.join(changed)}")
        return mine[0]

    def unwanted(self, kept: set[str]) -> Iterator[Object]:
        """What this script made and the site file has no more."""
        return (each for each in list(self.there) if ours(each) and each["id"] not in kept)

    def remove(self, label: str, found: Object) -> bool:
        """Delete something; False when it is in use, which is said."""
        try:
            self.api.call("DELETE", f"{self.path}/{found['id']}")
        except Refused as error:
            tell(f"note: {label} is not in the site file any more, and stays: {error}")
            return False
        self.there.remove(found)
        tell(f"{label} is removed: the site file has it no more")
        return True


# ---------------------------------------------------------------- projects and users


class Identity:
    """Projects, their quotas, and users."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        own = f"?domain_id={cloud.domain}"
        projects, users = f"/projects{own}", f"/users{own}"
        self.projects = Kind(cloud.identity, "/projects", "project", "projects", patch="PATCH", listed=projects)
        self.users = Kind(cloud.identity, "/users", "user", "users", patch="PATCH", listed=users)
        self.roles = {each["name"]: each["id"] for each in cloud.identity.all("/roles", "roles")}

    def project(self, wanted: Object) -> str:
        """A project with its quotas; its id."""
        name = wanted["name"]
        match = {"name": name, "domain_id": self.cloud.domain}
        found = self.projects.ensure(f"project {name}", match, {"description": described(wanted["description"])})
        self.cloud.projects[name] = found["id"]
        if ours(found):
            for api, limits in wanted["quotas"].items():
                self.cloud.attempt(f"quotas of project {name}", lambda a=api, w=limits: self.quota(found, a, w))
            for api in [each for each in found.get(PROJECTS_QUOTAS) or {} if each not in wanted["quotas"]]:
                self.quota(found, api, {})
        return str(found["id"])

    def quota(self, project: Object, api: str, wanted: dict[str, int]) -> None:
        """Set what the site file says; what it said before and says no more is as usual again."""
        if api not in QUOTAS:
            raise Refused(f"`{api}` has no quotas; there are: {', '.join(QUOTAS)}")
        path, key = QUOTAS[api]
        before = dict(project.get(PROJECTS_QUOTAS) or {})
        where, own = path.format(project["id"]), self.cloud.apis[api]
        if gone := set(before.get(api, ())) - wanted.keys():
            defaults = own.call("GET", f"{where}/{'default' if api == 'network' else 'defaults'}")[key]
            wanted = {**{name: defaults[name] for name in gone if name in defaults}, **wanted}
        there = own.call("GET", where)[key]
        if unknown := wanted.keys() - there.keys():
            raise Refused(f"{api} does not count {', '.join(sorted(unknown))}; it counts {', '.join(sorted(there))}")
        if changed := differing(there, wanted):
            own.call("PUT", where, {key: changed})
            tell(f"quotas of project {project['name']}: {', '.join(f'{k} {v}' for k, v in changed.items())}")
        now = {**before, api: sorted(set(wanted) - gone)}
        now = {each: names for each, names in now.items() if names}
        if now != before:
            project[PROJECTS_QUOTAS] = now
            self.cloud.identity.call("PATCH", f"/projects/{project['id']}", {"project": {PROJECTS_QUOTAS: now}})

    def user(self, wanted: Object, password: str) -> str | None:
        """A user with its roles; its id."""
        name = wanted["name"]
        label = f"user {name}"
        roles = {
            f"{self.cloud.projects[project]} {self.roles.get(role, role)}": role
            for project, each in wanted["projects"].items()
            for role in each
            if project in self.cloud.projects
        }
        if unknown := sorted({role for role in roles.values() if role not in self.roles}):
            raise Refused(f"there is no role {', '.join(unknown)}; there are: {', '.join(sorted(self.roles))}")
        match = {"name": name, "domain_id": self.cloud.domain}
        main = self.cloud.projects.get(next(iter(wanted["projects"]), ""), "")
        found = self.users.ensure(label, match, {"default_project_id": main}, {"password": password})
        if not ours(found):
            return None
        if not self.signs_in(name, password):
            self.cloud.identity.call("PATCH", f"/users/{found['id']}", {"user": {"password": password}})
            tell(f"{label} has the site's password again")
        before = set(found.get(USERS_ROLES) or ())
        if before != set(roles):
            now = {USERS_ROLES: sorted(before | set(roles))}  # before they are given: whoever is killed forgets none
            self.cloud.identity.call("PATCH", f"/users/{found['id']}", {"user": now})
        for verb, which in (("PUT", set(roles)), ("DELETE", before - set(roles))):
            for each in sorted(which):
                project, role = each.split(" ")
                path = f"/projects/{project}/users/{found['id']}/roles/{role}"
                if verb == "DELETE":
                    self.cloud.attempt(label, lambda p=path: self.cloud.identity.call("DELETE", p))
                else:
                    self.cloud.identity.call("PUT", path)
        if before - set(roles):
            self.cloud.identity.call("PATCH", f"/users/{found['id']}", {"user": {USERS_ROLES: sorted(roles)}})
        return str(found["id"])

    def signs_in(self, name: str, password: str) -> bool:
        """Whether the user's password is this one."""
        user = {"name": name, "domain": {"id": self.cloud.domain}, "password": password}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
        try:
            self.cloud.identity.call("POST", "/auth/tokens", body, authenticated=False)
        except exceptions.Unauthorized:
            return False
        return True


# ---------------------------------------------------------------- images and flavors


def image(cloud: Cloud, there: list[Object], wanted: Object) -> None:
    """An image with its contents; one of other contents than before is another image, which takes its place."""
    name, revision = wanted["name"], wanted["revision"]
    label, same = f"image {name}", [each for each in there if each["name"] == name]
    mine = [each for each in same if ours(each)]
    if same and not mine:
        tell(f"note: {label} is not from the site file, and stays as it is")
        return
    keep = {
        "visibility": wanted["visibility"],
        "min_disk": wanted["min_disk"],
        "min_ram": wanted["min_ram"],
        **wanted["properties"],
    }
    whole = [each for each in mine if each.get(REVISION) == revision and each["status"] == "active"]
    if whole:
        changes = [
            {"op": "replace", "path": f"/{key}", "value": value} for key, value in differing(whole[0], keep).items()
        ]
        for each in changes:
            each["op"] = "replace" if each["path"][1:] in whole[0] else "add"
        if changes:
            kind = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
            cloud.image.call("PATCH", f"/v2/images/{whole[0]['id']}", None, data=json.dumps(changes), headers=kind)
            tell(f"{label} is changed: {', '.join(each['path'][1:] for each in changes)}")
    else:
        body = {"name": name, "disk_format": wanted["format"], "container_format": "bare", **keep}
        made = cloud.image.call("POST", "/v2/images", {**body, IMAGE_MARK: MARK, REVISION: revision})
        whole = [made]
        with Path(wanted["file"]).open("rb") as stream:
            kind = {"Content-Type": "application/octet-stream"}
            cloud.image.call("PUT", f"/v2/images/{made['id']}/file", None, data=stream, headers=kind)
        tell(f"{label} is made")
    for each in mine:
        if each["id"] != whole[0]["id"]:
            remove_image(cloud, each, f"{label} of other contents is removed")


def remove_image(cloud: Cloud, found: Object, told: str) -> None:
    """Delete an image, and say so."""
    cloud.image.call("DELETE", f"/v2/images/{found['id']}")
    tell(told)


def images(cloud: Cloud, wanted: list[Object]) -> None:
    """All images."""
    there = cloud.image.all("/v2/images?limit=1000", "images")
    names = {each["name"] for each in wanted}
    for each in wanted:
        cloud.attempt(f"image {each['name']}", lambda e=each: image(cloud, there, e))
    for each in there:
        if ours(each) and each["name"] not in names:
            label = f"image {each['name']}"
            told = f"{label} is removed: the site file has it no more"
            cloud.attempt(label, lambda e=each, t=told: remove_image(cloud, e, t))


def flavors(cloud: Cloud, wanted: list[Object]) -> None:
    """All flavors; one of another size is another flavor, which takes its place: VMs keep the size that they have."""
    listed = "/flavors/detail?is_public=None&limit=1000"
    kind = Kind(cloud.compute, "/flavors", "flavor", "flavors", listed=listed)
    for flavor in wanted:
        cloud.attempt(f"flavor {flavor['name']}", lambda f=flavor: one_flavor(kind, f))
    names = {each["name"] for each in wanted}
    for each in kind.unwanted({each["id"] for each in kind.there if each["name"] in names}):
        kind.remove(f"flavor {each['name']}", each)


def one_flavor(kind: Kind, wanted: Object) -> None:
    """A flavor with its extra specs."""
    name, api = wanted["name"], kind.api
    label = f"flavor {name}"
    size = {"vcpus": wanted["vcpus"], "ram": wanted["ram"], "disk": wanted["disk"]}
    own = {**size, "OS-FLV-EXT-DATA:ephemeral": wanted["ephemeral"]}
    for each in [each for each in kind.there if each["name"] == name and ours(each)]:
        if differing(each, own) or (each.get("swap") or 0) != wanted["swap"]:
            api.call("DELETE", f"/flavors/{each['id']}")
            kind.there.remove(each)
            tell(f"{label} of another size is removed")
    found = kind.ensure(label, {"name": name}, {}, {**own, "swap": wanted["swap"]})
    if ours(found):
        path = f"/flavors/{found['id']}/os-extra_specs"
        there = api.call("GET", path)["extra_specs"]
        if changed := differing(there, wanted["properties"]):
            api.call("POST", path, {"extra_specs": changed})
        for key in there.keys() - wanted["properties"].keys():
            api.call("DELETE", f"{path}/{key}")


# ---------------------------------------------------------------- networks


VLAN = "provider:segmentation_id"


def physical(vlan: int | None) -> Object:
    """What makes a network of Neutron the public one."""
    made: Object = {"provider:network_type": "flat" if vlan is None else "vlan", "provider:physical_network": "public"}
    return made if vlan is None else {**made, VLAN: vlan}


def words(network: Object) -> str:
    """What it is on the wire."""
    return f"VLAN {network[VLAN]}" if network.get(VLAN) else "untagged"


def rule(text: str) -> Object:
    """A rule of a security group for what the site file lets in: `tcp/22`, `icmp from 192.0.2.0/24`."""
    what, _, source = text.partition(" from ")
    protocol, _, ports = what.partition("/")
    first, _, last = ports.partition("-")
    return {
        "direction": "ingress",
        "ethertype": "IPv4",
        "protocol": None if protocol == "any" else protocol,
        "port_range_min": int(first) if first else None,
        "port_range_max": int(last or first) if first else None,
        "remote_ip_prefix": source or "0.0.0.0/0",
    }


class Networks:
    """Networks with their ranges, security groups, and routers."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, api = cloud, cloud.network
        self.networks = Kind(api, "/v2.0/networks", "network", "networks")
        self.subnets = Kind(api, "/v2.0/subnets", "subnet", "subnets")
        self.routers = Kind(api, "/v2.0/routers", "router", "routers")
        self.groups = Kind(api, "/v2.0/security-groups", "security_group", "security_groups")
        self.rules = Kind(api, "/v2.0/security-group-rules", "security_group_rule", "security_group_rules")

    def network(self, wanted: Object) -> str | None:
        """A network with its range; its id."""
        name, label = wanted["name"], f"network {wanted['name']}"
        owner = self.cloud.owner(wanted["project"])
        match = {"name": name, "project_id": owner}
        change = {"shared": wanted["shared"], "router:external": wanted["external"]}
        outside = physical(wanted.get("vlan"))
        for each in self.networks.there if wanted["external"] else ():
            if ours(each) and not differing(each, match):
                self.cloud.networks[name] = each  # its routers stay as they are, whatever is refused
                self.moved_to(label, each, outside)
        found = self.networks.ensure(label, match, change, outside if wanted["external"] else None)
        self.cloud.networks[name] = found
        if not ours(found):
            return None
        match = {"network_id": found["id"], "cidr": wanted["cidr"]}
        there = [each for each in self.subnets.there if each["network_id"] == found["id"] and ours(each)]
        others = [each for each in there if each["cidr"] != wanted["cidr"]]
        if not wanted["external"]:
            self.replaced(others, label, wanted["cidr"])
        keep = {"name": name, "gateway_ip": wanted["gateway"], "dns_nameservers": wanted["dns"]}
        keep["enable_dhcp"] = not wanted["external"]
        if wanted["pool"]:
            keep["allocation_pools"] = [wanted["pool"]]
        made = self.subnets.ensure(f"{wanted['cidr']} of {label}", match, keep, {"ip_version": 4, "project_id": owner})
        if wanted["external"] and others:
            for each in others:
                for done in moved(self.cloud.network, found["id"], each, made):
                    tell(done)
            self.replaced(others, label, wanted["cidr"])
            self.routers.there = self.cloud.network.all("/v2.0/routers", "routers")
        return str(found["id"])

    def moved_to(self, label: str, found: Object, outside: Object) -> None:
        """Let an external network be another VLAN, while nothing is in it. Raises Refused."""
        change = differing(found, outside)
        if not change:
            return
        refused = f"it is {words(found)}, and cannot become {words(outside)}"
        if change.keys() != {VLAN}:
            raise Refused(f"{refused}: a network of another name can be that")
        try:
            made = self.networks.api.call("PUT", f"/v2.0/networks/{found['id']}", {"network": change})["network"]
        except Refused as error:
            raise Refused(f"{refused} while routers or floating addresses are in it") from error
        tell(f"{label} is {words(outside)}, and was {words(found)}")
        found.update(made)

    def replaced(self, subnets: list[Object], label: str, cidr: str) -> None:
        """Remove ranges that another takes the place of. Raises Refused when one is in use."""
        for each in subnets:
            if not self.subnets.remove(f"{each['cidr']} of {label}", each):
                raise Refused(f"its range cannot change from {each['cidr']} to {cidr} while it is used")

    def group(self, wanted: Object) -> str | None:
        """A security group with its rules; its id."""
        name, owner = wanted["name"], self.cloud.owner(wanted["project"])
        label = f"security group {name} of {wanted['project']}"
        if name == "default":
            self.cloud.network.call("GET", f"/v2.0/security-groups?project_id={owner}")  # makes it
            self.groups.there = self.cloud.network.all("/v2.0/security-groups", "security_groups")
            found = next(each for each in self.groups.there if each["name"] == name and each["project_id"] == owner)
        else:
            found = self.groups.ensure(label, {"name": name, "project_id": owner}, {})
            if not ours(found):
                return None
        wanted_rules = [rule(each) for each in wanted["allow"]]
        there = [each for each in self.rules.there if each["security_group_id"] == found["id"] and ours(each)]
        for needed in wanted_rules:
            if not any(self.same(each, needed) for each in there):
                body = {**needed, "security_group_id": found["id"], "description": MARK}
                self.cloud.network.call("POST", self.rules.path, {self.rules.one: body})
        for each in there:
            if not any(self.same(each, needed) for needed in wanted_rules):
                self.rules.remove(f"a rule of {label}", each)
        return str(found["id"])

    def forget_rules(self, kept: set[str]) -> None:
        """Remove this script's rules from default groups that are not listed any more."""
        gone = {each["id"] for each in self.groups.there if each["name"] == "default"} - kept
        for each in [each for each in self.rules.there if ours(each) and each["security_group_id"] in gone]:
            self.rules.remove("a rule of a default security group", each)

    @staticmethod
    def same(found: Object, wanted: Object) -> bool:
        """Whether a rule is the one that is wanted; from anybody is told in two ways."""
        anybody = {None, "0.0.0.0/0"}
        source = found["remote_ip_prefix"], wanted["remote_ip_prefix"]
        rest = {key: value for key, value in wanted.items() if key != "remote_ip_prefix"}
        return not differing(found, rest) and (source[0] == source[1] or set(source) <= anybody)

    def router(self, wanted: Object) -> str | None:
        """A router with its gateway and networks; its id."""
        name, label = wanted["name"], f"router {wanted['name']}"
        match = {"name": name, "project_id": self.cloud.owner(wanted["project"])}
        found = self.routers.ensure(label, match, {})
        if not ours(found):
            return None
        self.gateway(label, found, wanted["external"])
        path = f"/v2.0/routers/{found['id']}"
        ports = self.cloud.network.all(f"/v2.0/ports?device_id={found['id']}", "ports")
        inside = [each for each in ports if each["device_owner"].startswith("network:router_interface")]
        there = {each["network_id"] for each in inside}
        needed = {self.cloud.networks[each]["id"]: each for each in wanted["networks"] if each in self.cloud.networks}
        for network in needed.keys() - there:
            subnet = next((each["id"] for each in self.subnets.there if each["network_id"] == network), None)
            if subnet is None:
                raise Refused(f"network {needed[network]} has no addresses")
            self.cloud.network.call("PUT", f"{path}/add_router_interface", {"subnet_id": subnet})
            tell(f"{label} connects {needed[network]}")
        for network in self.made & (there - needed.keys()):
            for port in [each for each in inside if each["network_id"] == network]:
                self.cloud.network.call("PUT", f"{path}/remove_router_interface", {"port_id": port["id"]})
        return str(found["id"])

    @property
    def made(self) -> set[str]:
        """Ids of networks that this script made: others people connected themselves."""
        return {each["id"] for each in self.networks.there if ours(each)}

    def gateway(self, label: str, router: Object, external: str | None) -> None:
        """Lead a router out, or no more."""
        there = (router.get("external_gateway_info") or {}).get("network_id")
        wanted = self.cloud.networks[external]["id"] if external and external in self.cloud.networks else None
        if there != wanted:
            info = {"network_id": wanted} if wanted else {}
            router.update(
                self.routers.api.call(
                    "PUT", f"/v2.0/routers/{router['id']}", {"router": {"external_gateway_info": info}}
                )["router"]
            )
            tell(f"{label} leads to {external or 'nothing outside'}")

    def remove_router(self, found: Object) -> None:
        """Remove a router with its interfaces."""
        label, path = f"router {found['name']}", f"/v2.0/routers/{found['id']}"
        try:
            for port in self.cloud.network.all(f"/v2.0/ports?device_id={found['id']}", "ports"):
                if port["device_owner"].startswith("network:router_interface"):
                    self.cloud.network.call("PUT", f"{path}/remove_router_interface", {"port_id": port["id"]})
        except Refused as error:
            tell(f"note: {label} is not in the site file any more, and stays: {error}")
            return
        self.routers.remove(label, found)


# ---------------------------------------------------------------- main


def kept(cloud: Cloud, kind: str, wanted: list[Object], make: Callable[[Object], str | None]) -> set[str]:
    """Make all of a kind; returns the ids of what is there."""
    return {
        made for each in wanted if (made := cloud.attempt(f"{kind} {each['name']}", lambda e=each: make(e))) is not None
    }


def in_use(cloud: Cloud, project: str) -> str:
    """What a project has that would belong to nobody without it."""
    servers = cloud.compute.call("GET", f"/servers?all_tenants=1&project_id={project}&limit=1")["servers"]
    if servers:
        return "it has VMs"
    for kind in ("networks", "routers", "floatingips"):
        if cloud.network.call("GET", f"/v2.0/{kind}?project_id={project}&limit=1")[kind]:
            return f"it has {kind}"
    return "it has security groups" if any(each["name"] != "default" for each in groups_of(cloud, project)) else ""


def groups_of(cloud: Cloud, project: str) -> list[Object]:
    """The security groups of a project; every one has `default`, which nobody makes."""
    return cloud.network.all(f"/v2.0/security-groups?project_id={project}", "security_groups")


def remove_project(cloud: Cloud, identity: Identity, found: Object) -> None:
    """Remove a project with the group that came with it, unless somebody uses it."""
    label = f"project {found['name']}"
    if reason := in_use(cloud, found["id"]):
        tell(f"note: {label} is not in the site file any more, and stays: {reason}")
        return
    for group in groups_of(cloud, found["id"]):
        cloud.attempt(label, lambda g=group: cloud.network.call("DELETE", f"/v2.0/security-groups/{g['id']}"))
    identity.projects.remove(label, found)


def reconcile(cloud: Cloud, wanted: dict[str, list[Object]], passwords: dict[str, str]) -> None:
    """Bring the cloud to what is wanted: owners first, then what they have; removals the other way round."""
    with ThreadPoolExecutor(2) as pool:
        others = [pool.submit(images, cloud, wanted["images"]), pool.submit(flavors, cloud, wanted["flavors"])]
        identity, networks = Identity(cloud), Networks(cloud)
        projects = kept(cloud, "project", wanted["projects"], identity.project)
        users = kept(cloud, "user", wanted["users"], lambda each: identity.user(each, passwords[each["name"]]))
        made = kept(cloud, "network", wanted["networks"], networks.network)
        groups = kept(cloud, "security group", wanted["security_groups"], networks.group)
        routers = kept(cloud, "router", wanted["routers"], networks.router)
        if not cloud.problems:  # what could not be made is no reason to remove something
            for each in networks.routers.unwanted(routers):
                networks.remove_router(each)
            networks.forget_rules(groups)
            for each in networks.groups.unwanted(groups):
                networks.groups.remove(f"security group {each['name']}", each)
            for each in networks.networks.unwanted(made):
                networks.networks.remove(f"network {each['name']}", each)
            for each in identity.users.unwanted(users):
                identity.users.remove(f"user {each['name']}", each)
            for each in identity.projects.unwanted(projects):
                remove_project(cloud, identity, each)
        for each in others:
            each.result()


def main() -> None:
    """Make it so; an API that is not there yet is waited for."""
    access = json.loads((FOLDER / "access.json").read_text())
    passwords = {each["user"]: each["password"] for each in json.loads((FOLDER / "passwords.json").read_text())}
    begun, next_ = time.monotonic(), 0.0
    while True:
        try:
            cloud = Cloud(dict(access))
            cloud.wait()
            reconcile(cloud, json.loads(os.environ["CONTENTS"]), passwords)
            break
        except exceptions.ClientException as error:
            waited = time.monotonic() - begun
            if waited > DEADLINE:
                sys.exit(f"gave up after {DEADLINE} s; seen last: {error}")
            if waited >= next_:
                next_ = waited + MINUTE
                print(f"waiting, {waited:.0f} s of {DEADLINE}: {error}", file=sys.stderr, flush=True)
            time.sleep(INTERVAL)
    if cloud.problems:
        sys.exit("\n".join(cloud.problems))


if __name__ == "__main__":
    main()
