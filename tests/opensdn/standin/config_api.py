"""The config API: objects with parents, children and references, by the REST conventions of contrail-api."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from standin.web import Refused, ask

Object = dict[str, Any]


class Store(Protocol):
    """Where objects are kept, as dictionaries with `uuid`, `type` and `fq_name`."""

    def all(self) -> Iterable[Object]: ...
    def get(self, identity: str) -> Object | None: ...
    def put(self, item: Object) -> None: ...
    def remove(self, item: Object) -> None: ...
    def claim(self, item: Object) -> str:
        """Take the name of an object for its uuid, in one step on all nodes; return the uuid that has it."""


ACTIONS = {
    "name-to-id": "fqname-to-id",
    "id-to-name": "id-to-fqname",
    "useragent-keyvalue": "useragent-kv",
    **{
        name: name
        for name in (
            *("ref-update", "ref-relax-for-delete", "prop-collection-get", "prop-collection-update"),
            *("list-bulk-collection", "obj-perms", "aaa-mode"),
        )
    },
}
SYSTEM = "default-global-system-config"
FABRIC = ["default-domain", "default-project", "ip-fabric"]
DEFAULTS: list[tuple[str, list[str], Object]] = [
    ("global-system-config", [SYSTEM], {"autonomous_system": 64512, "ibgp_auto_mesh": True}),
    ("global-vrouter-config", [SYSTEM, "default-global-vrouter-config"], {}),
    ("global-qos-config", [SYSTEM, "default-global-qos-config"], {}),
    ("policy-management", ["default-policy-management"], {"parent_type": "config-root"}),
    ("domain", ["default-domain"], {}),
    ("project", ["default-domain", "default-project"], {}),
    ("network-ipam", ["default-domain", "default-project", "default-network-ipam"], {}),
    ("virtual-network", [*FABRIC[:2], "default-virtual-network"], {}),
    ("virtual-network", FABRIC, {}),
    ("routing-instance", [*FABRIC, "__default__"], {}),
    ("virtual-network", [*FABRIC[:2], "__link_local__"], {}),
]
"""What contrail-api makes when it starts: type, name, properties."""


def _permissions(identity: str, owner: str) -> Object:
    value, now = uuid.UUID(identity).int, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    access = {"owner": owner, "owner_access": 7, "group": "cloud-admin-group", "group_access": 7, "other_access": 7}
    return {
        "id_perms": {
            "enable": True,
            "uuid": {"uuid_mslong": value >> 64, "uuid_lslong": value & (1 << 64) - 1},
            "created": now,
            "last_modified": now,
            "user_visible": True,
            "permissions": access,
            "creator": None,
            "description": None,
        },
        "perms2": {"owner": owner, "owner_access": 7, "global_access": 0, "share": []},
    }


def _brief(item: Object, root: str) -> Object:
    return {"to": item["fq_name"], "uuid": item["uuid"], "href": f"{root}/{item['type']}/{item['uuid']}"}


class ConfigApi:
    """Objects of a store; `schema` is what `schema.py` prints, `routes` adds paths that begin so."""

    def __init__(self, store: Store, schema: Mapping[str, Any], auth: Callable[[str | None], Object]) -> None:
        self.store, self.schema, self.auth = store, schema, auth
        self.routes: dict[str, Callable[[str, Any], Any]] = {}

    def make_defaults(self) -> None:
        for kind, name, properties in DEFAULTS:
            if not any(item["fq_name"] == name for item in self.of(kind)):
                self.create(kind, {"fq_name": name, **properties})

    # Objects

    def of(self, kind: str) -> list[Object]:
        return [item for item in self.store.all() if item["type"] == kind]

    def named(self, kind: str, name: list[str]) -> Object:
        for item in self.of(self._kind(kind)):
            if item["fq_name"] == name:
                return item
        raise Refused(404, f"Name {name} not found in {kind}")

    def read(self, identity: str, kind: str | None = None) -> Object:
        item = self.store.get(identity)
        if item is None or kind not in {None, item["type"]}:
            raise Refused(404, f"{kind or 'object'} {identity} not found")
        return item

    def create(self, kind: str, given: Object, owner: str = "cloud-admin") -> Object:
        name = given.get("fq_name") or []
        if not name:
            raise Refused(400, "Bad Request, no fq_name in POST body")
        identity = given.get("uuid") or str(uuid.uuid4())
        item = {**_permissions(identity, owner), "display_name": name[-1], **self._known(kind, given)}
        item |= {"uuid": identity, "type": kind, "fq_name": name, **self._parent(kind, name, given)}
        if self.store.get(identity):
            raise Refused(409, f"{kind} {name} already exists with uuid: {identity}")
        holder = self.store.claim(item)
        if holder != identity:
            raise Refused(409, f"{kind} {name} already exists with uuid: {holder}")
        self.store.put(item)
        if kind == "virtual-network" and name != FABRIC:
            self.create("routing-instance", {"fq_name": [*name, name[-1]], "routing_instance_is_default": True})
        return item

    def update(self, item: Object, given: Object) -> None:
        item |= self._known(item["type"], given)
        item["id_perms"]["last_modified"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
        self.store.put(item)

    def delete(self, item: Object) -> None:
        children = [each for each in self.store.all() if each.get("parent_uuid") == item["uuid"]]
        own = [each for each in children if each.get("routing_instance_is_default")]
        refusals = {"children": [each for each in children if each not in own], "back_refs": self._referring(item)}
        for what, found in refusals.items():
            if found:
                names = [f"{each['type']}/{each['uuid']}" for each in found]
                raise Refused(409, f"Delete when {what} still present: {names}")
        for each in (*own, item):
            self.store.remove(each)

    def _kind(self, kind: str) -> str:
        kind = kind.replace("_", "-")
        if kind not in self.schema:
            raise Refused(404, f"Resource type {kind} is unknown")
        return kind

    def _parent(self, kind: str, name: list[str], given: Object) -> Object:
        possible = self.schema[kind]["parents"]
        parent = given.get("parent_type") or (possible[0] if len(possible) == 1 else None)
        if parent not in possible:
            raise Refused(400, f"Ambiguous or wrong parent {parent} of {kind}: one of {possible}")
        if parent == "config-root":
            return {"parent_type": parent}
        try:
            return {"parent_type": parent, "parent_uuid": self.named(parent, name[:-1])["uuid"]}
        except Refused as error:
            raise Refused(400, f"parent of {kind} {name}: {error}") from error

    def _known(self, kind: str, given: Object) -> Object:
        """Return properties and references, the latter resolved."""
        described = self.schema[kind]
        found = {key: value for key, value in given.items() if key in described["props"] and value is not None}
        for field in described["refs"].keys() & given.keys():
            found[field] = [self._reference(described["refs"][field], ref) for ref in given[field] or ()]
        return {**found, **{key: value for key, value in given.items() if key.startswith(("_", "routing_instance_is"))}}

    def _reference(self, kind: str, ref: Object) -> Object:
        to = self.read(ref["uuid"], kind) if ref.get("uuid") else self.named(kind, ref["to"])
        return {"to": to["fq_name"], "uuid": to["uuid"], "attr": ref.get("attr")}

    def _references(self, item: Object) -> list[Object]:
        return [ref for field in item if field.endswith("_refs") for ref in item[field]]

    def _referring(self, item: Object) -> list[Object]:
        refers = lambda each: any(ref["uuid"] == item["uuid"] for ref in self._references(each))  # noqa: E731
        return [each for each in self.store.all() if refers(each)]

    # What a client sees

    def shown(self, item: Object, query: Mapping[str, Any], root: str) -> Object:
        described, everything = self.schema[item["type"]], list(self.store.all())
        wanted = set(filter(None, str(query.get("fields", "")).split(",")))
        seen = {key: value for key, value in item.items() if not key.startswith("_") and key != "type"}
        seen["href"] = f"{root}/{item['type']}/{item['uuid']}"
        seen["name"] = item["fq_name"][-1]
        for field, kind in described["children"].items():
            if field in wanted if wanted else "exclude_children" not in query:
                found = [
                    each for each in everything if each["type"] == kind and each.get("parent_uuid") == item["uuid"]
                ]
                seen |= {field: [_brief(each, root) for each in found]} if found else {}
        for field, kind in described["back_refs"].items():
            if field in wanted if wanted else "exclude_back_refs" not in query:
                found = [each for each in self._referring(item) if each["type"] == kind]
                seen |= {field: [_brief(each, root) for each in found]} if found else {}
        return seen

    def listed(self, kind: str, query: Mapping[str, Any], root: str) -> Object:
        split = lambda key: [each for each in str(query.get(key) or "").split(",") if each]  # noqa: E731
        true = lambda key: str(query.get(key, False)).lower() == "true"  # noqa: E731
        items = self.of(kind)
        if parent := query.get("parent_fq_name_str"):
            items = [item for item in items if ":".join(item["fq_name"][:-1]) == parent]
        if parents := split("parent_id"):
            items = [item for item in items if item.get("parent_uuid") in parents]
        if referred := split("back_ref_id"):
            items = [item for item in items if any(ref["uuid"] in referred for ref in self._references(item))]
        if identities := split("obj_uuids"):
            items = [item for item in items if item["uuid"] in identities]
        if names := split("fq_names"):
            items = [item for item in items if ":".join(item["fq_name"]) in names]
        wanted: dict[str, list[Any]] = {}
        for each in re.split(r",(?=\w+==)", query.get("filters") or ""):
            if each:
                field, _, value = each.partition("==")
                wanted.setdefault(field, []).append(json.loads(value))
        items = [item for item in items if all(item.get(field) in values for field, values in wanted.items())]
        if true("count"):
            return {f"{kind}s": {"count": len(items)}}
        if true("detail"):
            excluded = {"exclude_children": True, "exclude_back_refs": True}
            return {f"{kind}s": [{kind: self.shown(item, {**excluded, **query}, root)} for item in items]}
        keys = {"fq_name", "uuid", "href", *split("fields")}
        shown = [self.shown(item, query, root) for item in items]
        return {f"{kind}s": [{key: value for key, value in item.items() if key in keys} for item in shown]}

    # Requests

    def handle(self, method: str, path: str, query: dict[str, str], body: Any, headers: Mapping[str, str]) -> Any:
        root = f"http://{headers.get('Host', 'localhost')}"
        if path == "/":
            return self._home(root)
        user = self.auth(headers.get("X-Auth-Token"))
        first, _, rest = path.strip("/").partition("/")
        if first in self.routes and method == "POST":
            return self.routes[first](rest, body)
        if first in ACTIONS.values():
            return getattr(self, "_" + first.replace("-", "_"))(method, query if method == "GET" else body, user, root)
        if not rest and first.removesuffix("s") in self.schema and first.endswith("s"):
            kind = first.removesuffix("s")
            if method == "GET":
                return self.listed(kind, query, root)
            if method == "POST":
                item = self.create(kind, body[kind], user["owner"])
                keys = ("fq_name", "uuid", "parent_type", "parent_uuid")
                told = {key: item[key] for key in keys if key in item}
                return {kind: {**told, "name": item["fq_name"][-1], "href": f"{root}/{kind}/{item['uuid']}"}}
        item = self.read(rest, self._kind(first))
        if method == "GET":
            return {first: self.shown(item, query, root)}
        if method == "PUT":
            self.update(item, body[first])
            return {first: {"uuid": rest, "href": f"{root}/{first}/{rest}"}}
        if method == "DELETE":
            self.delete(item)
            return ""
        raise Refused(405, "Method not allowed")

    def _home(self, root: str) -> Object:
        links = [("collection", f"{kind}s", kind) for kind in self.schema]
        links += [("resource-base", kind, kind) for kind in self.schema]
        links += [("action", path, name) for name, path in ACTIONS.items()]
        link = [{"link": {"href": f"{root}/{path}", "name": name, "rel": rel}} for rel, path, name in links]
        return {"href": root, "links": link}

    # Actions

    def _fqname_to_id(self, _method: str, body: Object, *_: object) -> Object:
        return {"uuid": self.named(body["type"], body["fq_name"])["uuid"]}

    def _id_to_fqname(self, _method: str, body: Object, *_: object) -> Object:
        item = self.read(body["uuid"])
        return {"type": item["type"], "fq_name": item["fq_name"]}

    def _list_bulk_collection(self, _method: str, body: Object, _user: Object, root: str) -> Object:
        return self.listed(self._kind(body["type"]), body, root)

    def _obj_perms(self, _method: str, _query: Object, user: Object, *_: object) -> Object:
        return {"permissions": "RWX", "is_cloud_admin_role": user["admin"], "is_global_read_only_role": False}

    def _aaa_mode(self, _method: str, _query: Object, user: Object, *_: object) -> Object:
        return {"aaa-mode": user["aaa_mode"]}

    def _ref_update(self, _method: str, body: Object, *_: object) -> Object:
        item, field = self.read(body["uuid"]), body["ref-type"].replace("-", "_") + "_refs"
        if field not in self.schema[item["type"]]["refs"]:
            raise Refused(404, f"{item['type']} has no {field}")
        asked = {"uuid": body.get("ref-uuid"), "to": body.get("ref-fq-name"), "attr": body.get("attr")}
        ref = self._reference(self.schema[item["type"]]["refs"][field], asked)
        others = [each for each in item.get(field, ()) if each["uuid"] != ref["uuid"]]
        self.update(item, {field: [*others, ref] if body["operation"] == "ADD" else others})
        return {"uuid": item["uuid"]}

    def _ref_relax_for_delete(self, _method: str, body: Object, *_: object) -> Object:
        return {"uuid": self.read(body["uuid"])["uuid"]}

    def _prop_collection_get(self, _method: str, query: Object, *_: object) -> Object:
        values = self._collection(self.read(query["uuid"]), query["fields"])
        key = self.schema[self.read(query["uuid"])["type"]]["keys"].get(query["fields"])
        return {query["fields"]: [(each, each[key] if key else str(at)) for at, each in enumerate(values)]}

    def _prop_collection_update(self, _method: str, body: Object, *_: object) -> str:
        item = self.read(body["uuid"])
        for change in body["updates"]:
            values, key = (
                self._collection(item, change["field"]),
                self.schema[item["type"]]["keys"].get(change["field"]),
            )
            value, position = change.get("value"), change.get("position")
            if key:
                values[:] = [each for each in values if each[key] != position]
                values += [value] if change["operation"] == "set" else []
            elif change["operation"] == "add":
                values.append(value)
            else:
                values[int(position) : int(position) + 1] = [value] if change["operation"] == "modify" else []
        self.update(item, {})
        return ""

    def _collection(self, item: Object, field: str) -> list[Any]:
        wrapper = self.schema[item["type"]]["wrappers"].get(field)
        if not wrapper:
            return item.setdefault(field, [])
        return item.setdefault(field, {}).setdefault(wrapper, [])

    def _useragent_kv(self, _method: str, body: Object, *_: object) -> Object | str:
        key = str(uuid.uuid5(uuid.NAMESPACE_OID, body["key"]))
        if body["operation"] == "STORE":
            self.store.put({"uuid": key, "type": "useragent-kv", "fq_name": [body["key"]], "value": body["value"]})
            return ""
        item = self.read(key, "useragent-kv")
        if body["operation"] == "DELETE":
            self.store.remove(item)
            return ""
        return {"value": item["value"]}


class Keystone:
    """Who a token is of, as Keystone says: `settings` is the section KEYSTONE."""

    def __init__(self, settings: Mapping[str, str], aaa_mode: str, admin_role: str) -> None:
        self.settings, self.aaa_mode, self.admin_role = settings, aaa_mode, admin_role
        self.known: dict[str, tuple[float, Object]] = {}
        self.own: str | None = None

    def __call__(self, token: str | None) -> Object:
        if self.aaa_mode == "no-auth":
            return {"owner": "cloud-admin", "admin": True, "aaa_mode": self.aaa_mode}
        if not token:
            raise Refused(401, "Authentication required")
        until, user = self.known.get(token, (0.0, {}))
        if until < time.monotonic():
            user = self._look_up(token)
            self.known[token] = (time.monotonic() + 60, user)
        if not user["admin"]:
            raise Refused(403, f"Permission denied: the role {self.admin_role} is needed")
        return user

    def _look_up(self, token: str) -> Object:
        for again in (True, False):
            self.own = self.own or login(self.settings)
            try:
                url = f"{self.settings['auth_url']}/auth/tokens"
                told = ask(url, headers={"X-Auth-Token": self.own, "X-Subject-Token": token})[0]["token"]
            except Refused as error:
                self.own = None
                if error.status == 401 and again:
                    continue
                raise Refused(401, f"Authentication required: {error}") from error
            roles = {role["name"] for role in told.get("roles", ())}
            owner = told.get("project", {}).get("id", "cloud-admin")
            return {"owner": owner, "admin": self.admin_role in roles, "aaa_mode": self.aaa_mode}
        raise AssertionError


def login(settings: Mapping[str, str]) -> str:
    """Return a token for the section KEYSTONE. Raises Refused, OSError."""
    domain = settings.get("project_domain_name", "Default")
    user = {"name": settings["admin_user"], "password": settings["admin_password"]}
    user["domain"] = {"name": settings.get("user_domain_name", domain)}
    scope = {"project": {"name": settings["admin_tenant_name"], "domain": {"name": domain}}}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
    return ask(f"{settings['auth_url']}/auth/tokens", body)[1]["X-Subject-Token"]
