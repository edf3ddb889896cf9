"""Each key of the site file is changed on a running site: who is made anew, and nobody keeps an old value."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import pytest
import yaml
from test_decide import applied, everything, planned

from resolved_sites import FACTS, rendered, resolved
from stackyard.bundle import Bundle
from stackyard.model.base import Model
from stackyard.model.site import Site
from stackyard.plan.resolved import ResolvedSite

DEMO = {
    "controller": {"roles": ["controller"]},
    "compute1": {"roles": ["compute"], "zone": "az1"},
    "compute2": {"roles": ["compute"], "zone": "az2"},
}
CONTENTS: dict[str, Any] = {
    "flavors": {"tiny": {"ram": 128}},
    "projects": {"demo": {}, "test": {}},
    "users": {"demo": {"projects": {"demo": ["member"]}, "password": "first"}},
    "networks": {"private": {"project": "demo", "cidr": "10.10.0.0/24"}, "other": {"cidr": "10.11.0.0/24"}},
    "routers": {"router": {"project": "demo", "networks": ["private"]}},
    "security_groups": {"open": {"project": "demo", "allow": ["icmp"]}},
}
NETWORKS = {"management": "198.18.80.0/24", "tunnel": "198.18.81.0/24"}
HYPERVISOR = "libvirt"
REFUSED = {"release", "sdn", "networks.management", "networks.tunnel"}
"""Refused while the site runs: tests/unit/deploy/test_up.py."""
REPOSITORY = ("url", "suite", "components", "key", "unsigned")
ELSEWHERE = {
    "site",  # another site
    "catalogue",  # what a layer changes: tests/unit/catalogue/test_layers.py
    "structure",  # which images it has, and under which tag
    # tests/unit/plan/test_public_network.py
    *(f"networks.public.{key}" for key in ("gateway", "pool.start", "pool.end", "vlan", "nodes")),
    "nodes.options",  # never taken: options belong to a service
    *(f"contents.images.{key}" for key in ("file", "url", "sha256")),  # what is known of files: test_image_files.py
    *(f"contents.images.{key}" for key in ("format", "properties", "visibility", "min_disk", "min_ram")),  # the same
    *(
        f"contents.{key}.external" for key in ("networks", "routers")
    ),  # they need a public network: test_planned_contents.py
    *(f"repositories.{key}" for key in REPOSITORY),  # images are made with them
    *(f"sources.{key}" for key in ("images", "prefix", "tag", "digests")),  # tests/unit/catalogue/test_programs.py
    *(f"sources.packages.{key}" for key in (*REPOSITORY, "image")),
}


@dataclass(frozen=True)
class Change:
    """A change of the site, and what follows from it.

    ``anew`` are containers, ``node/container``, that are among those made anew; ``only`` says that no others are.
    ``nodes`` are those that are made anew, created or removed, ``ends`` those of them that run VMs. ``joins`` are nodes
    that are connected to a network while they run, or disconnected.
    """

    change: dict[str, Any]
    anew: set[str] = field(default_factory=set)
    only: bool = False
    nodes: set[str] = field(default_factory=set)
    ends: set[str] = field(default_factory=set)
    joins: set[tuple[str, str]] = field(default_factory=set)


def node(name: str, **changes: object) -> dict[str, Any]:
    """The demo's nodes, one of them changed."""
    return {"nodes": {**DEMO, name: {**DEMO.get(name, {}), **changes}}}


def on(where: str, *names: str) -> set[str]:
    """Containers of a node."""
    return {f"{where}/{name}" for name in names}


def contents(kind: str, name: str, **changes: object) -> Change:
    """The job that makes the contents of the cloud is made anew for them, and nothing else."""
    changed = {**CONTENTS[kind], name: {**CONTENTS[kind].get(name, {}), **changes}}
    return Change({"contents": {**CONTENTS, kind: changed}}, {"controller/cloud-contents"}, only=True)


SIZE = {"vcpus": 2, "ram": 256, "disk": 2, "ephemeral": 1, "swap": 64, "properties": {"hw:watchdog_action": "reset"}}
IN_CONTENTS = {
    **{f"contents.flavors.{key}": contents("flavors", "tiny", **{key: value}) for key, value in SIZE.items()},
    "contents.projects.description": contents("projects", "demo", description="Another."),
    "contents.projects.quotas": contents("projects", "demo", quotas={"compute": {"cores": 4}}),
    "contents.users.projects": contents("users", "demo", projects={"demo": ["member", "reader"]}),
    "contents.users.password": contents("users", "demo", password="second"),  # noqa: S106 - of no account
    "contents.networks.project": contents("networks", "other", project="demo"),
    "contents.networks.shared": contents("networks", "other", shared=True),
    "contents.networks.cidr": contents("networks", "other", cidr="10.12.0.0/24"),
    "contents.networks.gateway": contents("networks", "other", gateway="10.11.0.9"),
    "contents.networks.pool.start": contents("networks", "other", pool={"start": "10.11.0.8", "end": "10.11.0.9"}),
    "contents.networks.pool.end": contents("networks", "other", pool={"start": "10.11.0.8", "end": "10.11.0.10"}),
    "contents.networks.dns": contents("networks", "other", dns=["192.0.2.53"]),
    "contents.routers.project": contents("routers", "router", project=None),
    "contents.routers.networks": contents("routers", "router", networks=["private", "other"]),
    "contents.security_groups.project": contents("security_groups", "open", project="test"),
    "contents.security_groups.allow": contents("security_groups", "open", allow=["tcp/22"]),
}
"""Keys that say what the cloud contains."""
DEBUG = {"DEFAULT": {"debug": True}}
LOUD = {"LOG_LEVEL": "debug"}
COMPUTES = {"compute1/nova-compute", "compute2/nova-compute"}
PUBLISHED = COMPUTES | on("controller", "keystone-bootstrap", "nova-novncproxy")
REGISTERED = {"controller/keystone-bootstrap"}
APIS = on("controller", "glance-api", "keystone", "neutron-server", "nova-api", "placement")
CALLERS = ("nova-api", "nova-conductor", "nova-scheduler", "neutron-server", "glance-api", "placement")

CHANGES = {
    **IN_CONTENTS,
    "encapsulation": Change(
        {"encapsulation": "geneve"},
        {"controller/neutron-server", *on("compute1", "ovs-vswitchd", "neutron-ovn-agent")},
    ),
    "region": Change({"region": "east"}, COMPUTES | on("controller", "keystone-bootstrap", "nova-zones", *CALLERS)),
    "registry": Change({"registry": "registry.example.org:5000/cloud"}, only=True),
    "publish.address": Change({"publish": {"address": "192.0.2.9"}}, PUBLISHED, nodes={"controller"}),
    "publish.bind": Change({"publish": {"bind": "192.0.2.9"}}, nodes={"controller"}),
    "publish.scheme": Change({"publish": {"scheme": "https"}}, PUBLISHED, only=True),
    "publish.urls": Change({"publish": {"urls": {"image": "https://192.0.2.9/image"}}}, REGISTERED, only=True),
    "publish.origins": Change({"publish": {"origins": ["https://192.0.2.9"]}}, APIS, only=True),
    "publish.offset": Change({"publish": {"offset": 1000}}, PUBLISHED, nodes={"controller"}),
    **{
        f"networks.public.{key}": Change(
            {"networks": {**NETWORKS, "public": public}},
            {"controller/neutron-server", *on("compute1", "ovs-vswitchd", "neutron-ovn-agent")},
            joins={("connect", "compute1"), ("connect", "compute2")},
        )
        for key, public in {
            "range": "198.18.82.0/24",
            "interface": {
                "range": "203.0.113.0/24",
                "interface": "eth1",
                "pool": {"start": "203.0.113.9", "end": "203.0.113.99"},
            },
        }.items()
    },
    "nodes.roles": Change(node("compute2", roles=["compute", "memcached"]), on("controller", "keystone", "nova-api")),
    "nodes.kind": Change(node("compute2", kind="virtual"), only=True),
    "nodes.management": Change(
        node("compute2", management="172.31.80.77"), {"compute2/nova-compute"}, nodes={"compute2"}, ends={"compute2"}
    ),
    "nodes.tunnel": Change(
        node("compute2", tunnel="172.31.81.77"), {"compute2/ovs-vswitchd"}, nodes={"compute2"}, ends={"compute2"}
    ),
    "nodes.zone": Change(node("compute2", zone="gold"), {"controller/nova-zones"}, only=True),
    "nodes.environment": Change(
        node("compute2", environment=LOUD),
        on("compute2", "nova-compute", "nova-migration", "neutron-ovn-agent"),
        only=True,
    ),
    "nodes.services.environment": Change(
        node("compute2", services={"nova": {"environment": LOUD}}), {"compute2/nova-compute"}, only=True
    ),
    "nodes.services.options": Change(
        node("compute2", services={"nova": {"options": DEBUG}}), {"compute2/nova-compute"}, only=True
    ),
    # Compute nodes may offer less memory then.
    "containers.enabled": Change({"containers": {"neutron-rpc-server": True}}),
    "containers.environment": Change({"containers": {"nova-compute": {"environment": LOUD}}}, COMPUTES, only=True),
    "containers.options": Change({"containers": {"nova-compute": {"options": DEBUG}}}, COMPUTES, only=True),
    "services.environment": Change(
        {"services": {"glance": {"environment": {"API_PORT": "9293"}}}},
        on("controller", "glance-api", "keystone-bootstrap"),
        nodes={"controller"},
    ),
    "services.options": Change(
        {"services": {"glance": {"options": DEBUG}}}, on("controller", "glance-api", "glance-bootstrap"), only=True
    ),
    "settings": Change({"settings": LOUD}, COMPUTES | on("controller", *CALLERS)),
}
"""Key of the site file -> a change of it."""

NODES = {
    "added": Change(
        {"nodes": {**DEMO, "compute3": {"roles": ["compute"]}}},
        {"controller/nova-zones"} | COMPUTES,  # each offers a smaller part of the machine
        only=True,
        nodes={"compute3"},
    ),
    "removed": Change(
        {"nodes": {name: DEMO[name] for name in ("controller", "compute2")}},
        {"controller/nova-zones", "compute2/nova-compute"},  # which offers all of the machine
        only=True,
        nodes={"compute1"},
        ends={"compute1"},
    ),
    "renamed": Change(
        {"nodes": {"controller": DEMO["controller"], "compute1": DEMO["compute1"], "worker": DEMO["compute2"]}},
        {"controller/nova-zones"},
        only=True,
        nodes={"compute2", "worker"},
        ends={"compute2"},
    ),
    "without a service": Change(
        {"nodes": {**DEMO, "controller": {"roles": ["common", "database", "control", "nova", "neutron"]}}},
        on("controller", "keystone-bootstrap", "mariadb-bootstrap"),
        nodes={"controller"},
    ),
}
"""What happens to nodes -> a change of the site."""


def keys(model: type[Model], prefix: str = "") -> Iterator[str]:
    """Every key of a model and of those that it is made of."""
    for name, each in model.model_fields.items():
        inner = list(models(each.annotation))
        for below in inner:
            yield from keys(below, f"{prefix}{name}.")
        if not inner:
            yield f"{prefix}{name}"


def models(annotation: Any) -> Iterator[type[Model]]:
    """Models in an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for inner in get_args(annotation):
        yield from models(inner)


def test_every_key_of_the_site_has_a_test() -> None:
    assert sorted([*CHANGES, *REFUSED, *ELSEWHERE]) == sorted(keys(Site))


LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Many files are read."""


def content(site: ResolvedSite, made: Bundle) -> dict[str, str]:
    """Name of each container -> all that it is made of but its image: as its compose file says it, and its values."""
    values = {each.full_name: each for each in site.containers}
    found = {}
    for files in made.files.values():
        for file in (file for path, file in files.items() if path.endswith("/docker-compose.yml")):
            for service in yaml.load(file.content, Loader=LOADER)["services"].values():  # noqa: S506 - it is safe
                own = {key: each for key, each in service.items() if key not in {"image", "labels"}}
                if container := values.get(service["container_name"]):
                    own["values"] = dict(container.values)
                    own["secret values"] = {name: each.reveal() for name, each in container.secrets.items()}
                found[service["container_name"]] = json.dumps(own, sort_keys=True)
    return found


@pytest.fixture(scope="module")
def before() -> tuple[ResolvedSite, Bundle]:
    site = resolved("demo", networks=NETWORKS, contents=CONTENTS)
    return site, rendered(site)


@pytest.mark.parametrize("name", [*CHANGES, *NODES])
def test_a_change_makes_anew_what_it_concerns_and_nothing_else(name: str, before: tuple[ResolvedSite, Bundle]) -> None:
    site, made = before
    change = CHANGES.get(name) or NODES[name]
    had = {each.name: (str(each.management), str(each.tunnel)) for each in site.nodes}
    after = resolved(
        "demo", facts=replace(FACTS, nodes=had), **{"networks": NETWORKS, "contents": CONTENTS, **change.change}
    )
    then = rendered(after)
    # An image is the same under the name of another registry.
    images = {image: f"id of {image.replace(after.site.registry, site.site.registry)}" for image in after.images}
    observed = replace(everything(site, made), images=images)
    plan = planned(after, observed, then)

    assert {step.node for step in plan.changes if step.is_node} == change.nodes
    assert {
        node for node in plan.ending({HYPERVISOR}) if f"demo-{node}-{HYPERVISOR}" in observed.containers
    } == change.ends
    anew = {step.key for step in plan.of("recreate") if not step.is_node}
    assert change.anew <= anew
    if change.only:
        assert anew == change.anew
    old, new = content(site, made), content(after, then)
    assert {(join.verb, join.node) for join in plan.joins} == change.joins
    joined = {join.name for join in plan.joins}
    for step in (each for each in plan.of("unchanged") if each.name not in joined):  # nobody keeps an old value
        assert old[step.name] == new[step.name], step.key
    for step in plan.of("recreate"):  # and nobody is made anew for nothing
        assert old[step.name] != new[step.name] or step.why[0].startswith("its node "), step.key
    again = planned(after, applied(observed, plan, after, then), then)
    assert (again.changes, again.joins) == ((), ())
