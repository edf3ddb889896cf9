"""One fact, one source: what a site file says of a variable holds for all who share it, or is refused."""

import json
import shutil
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import yaml

from resolved_sites import FACTS, TOY, counted, resolved
from stackyard.bundle import bundle
from stackyard.catalogue import open_site
from stackyard.catalogue.container import container_json, held, served
from stackyard.catalogue.problems import Problems
from stackyard.entrypoint.contract import read_environment
from stackyard.entrypoint.endpoints import from_environment
from stackyard.errors import InputError
from stackyard.model.service import Variable
from stackyard.model.site import Site
from stackyard.plan.placement import place
from stackyard.plan.resolve import resolve
from stackyard.plan.resolved import ResolvedContainer, ResolvedSite
from stackyard.plan.values import Scope
from stackyard.secrets import Secrets

SITE, CATALOGUE = open_site("demo")
KNOWN = {name: container_json(CATALOGUE, name) for name in CATALOGUE.images}
OTHER = {
    "address": "192.0.2.99",
    "addresses": "192.0.2.99",
    "hosts": "192.0.2.99",
    "int": "23",
    "json": '[{"other": "value"}]',
    "port": "7654",
    "secret": "0therV@lue",
    "url": "http://192.0.2.99:7654/other",
}
"""Of each type a value that the catalogue gives to nothing."""
KEY = "b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyMTI="
ACCOUNTS = {
    "database": ("DATABASE_NAME", "DATABASE_USER", "DATABASE_PASSWORD"),
    "messaging": ("RABBIT_VHOST", "RABBIT_USER", "RABBIT_PASSWORD"),
    "identity": ("KEYSTONE_USER", "KEYSTONE_PASSWORD"),
}
"""Kind of declaration -> variables of who signs in, in the order of the keys of the account."""
ACCOUNT_KEYS = {"database": ("name", "user", "password"), "messaging": ("vhost", "user", "password")}


def everything(container: ResolvedContainer) -> dict[str, str]:
    """Variable -> value, secrets too."""
    return {**container.values, **{name: each.reveal() for name, each in container.secrets.items()}}


class Cloud:
    """A resolved site as its containers see it, and where they see different things."""

    def __init__(self, site: ResolvedSite) -> None:
        self.site = site

    @cached_property
    def read(self) -> dict[str, dict[str, Any]]:
        """Container -> the values as its entrypoint reads them."""
        found = {}
        for each in self.site.containers:
            known = KNOWN[each.definition.image]
            outcome = read_environment(known["contract"], everything(each), overrides=known["overrides"])
            assert outcome.errors == ()
            found[each.key] = outcome.values
        return found

    def disagreements(self) -> list[str]:
        """All facts that have more than one value."""
        found = [*self.shared(), *self.accounts(), *self.administrator(), *self.nodes()]
        served_once = [
            name for name, each in CATALOGUE.endpoints.items() if CATALOGUE.containers[each.container].runs != "each"
        ]
        return found + [f"{name} is at {where}" for name in served_once if len(where := self.members(name)) > 1]

    def shared(self) -> Iterator[str]:
        """Secrets, public URLs, and what the site says once."""
        values: dict[str, set[Any]] = defaultdict(set)
        for each in self.site.containers:
            for name, variable in CATALOGUE.effective(each.definition.image).contract.items():
                fact = variable.secret or name
                if variable.generate == "certificate":
                    fact += f"@{each.node}"
                once = ("REGION", "ENCAPSULATION", "KEYSTONE_PROJECT", "KEYSTONE_DOMAIN", "ADMIN_USER", "ADMIN_TENANT")
                if variable.secret and name in each.secrets:
                    values[fact].add(each.secrets[name].reveal())
                elif name in once or held(variable)[1] == "public":
                    values[fact].add(self.read[each.key][name])
        (admin,) = self.site.declarations["credentials"]
        values["REGION"] |= {self.site.site.region, admin["region_name"]}
        values["ADMIN_USER"].add(admin["username"])
        values["ADMIN_TENANT"].add(admin["project_name"])
        values["KEYSTONE_PROJECT"].add("service")
        values["KEYSTONE_DOMAIN"].add("Default")
        values["keystone/admin"].add(admin["password"])
        yield from (f"{fact} is {each}" for fact, each in values.items() if len(each) > 1)

    def accounts(self) -> Iterator[str]:
        """Whoever signs in has an account."""
        for kind, variables in ACCOUNTS.items():
            keys = ACCOUNT_KEYS.get(kind, ("user", "password"))
            made = {tuple(each[key] for key in keys) for each in self.site.declarations[kind]}
            for key, values in self.read.items():
                account = tuple(values.get(name) for name in variables)
                if None not in account and account not in made:
                    yield f"{key} signs in as {account}"

    def administrator(self) -> Iterator[str]:
        """Nobody has the administrator's password but who makes the account."""
        password = self.site.declarations["credentials"][0]["password"]
        for each in self.site.containers:
            if password in everything(each).values() and each.name != "keystone-bootstrap":
                yield f"{each.key} has the administrator's password"

    def nodes(self) -> Iterator[str]:
        """A node has one name and one address, and its zone is that of the site."""
        for each in self.site.containers:
            node = self.site.node(each.node)
            for name, right in (("HOST_IP", node.management), ("HOST_NAME", node.name), ("TUNNEL_IP", node.tunnel)):
                if self.read[each.key].get(name) not in {None, str(right)}:
                    yield f"{name} of {each.key} is not {right}"
        zones = json.loads(self.site.by_name["demo-controller-nova-zones"].values["AVAILABILITY_ZONES"])
        if {each["name"]: each["hosts"] for each in zones} != {"az1": ["compute1"], "az2": ["compute2"]}:
            yield f"zones are {zones}"

    def members(self, name: str) -> set[tuple[str, ...]]:
        """Where an endpoint is, for those who call it, serve it, and find it in Keystone."""
        found = set()
        for each in self.site.containers:
            image = each.definition.image
            known = KNOWN[image]["endpoints"]
            if name in served(CATALOGUE, image) and each.name != CATALOGUE.endpoints[name].container:
                continue
            if {"hosts", "url"} & known.get(name, {"variables": {}})["variables"].keys():
                found.add(tuple(from_environment(known, name, self.read[each.key]).members))
        entry = CATALOGUE.endpoints[name].registered
        for each in self.site.declarations["endpoint"]:
            if entry and each["type"] == entry.type:
                found.add((each["internal"].split("/")[2],))
        return found


def places() -> Iterator[tuple[str, str, Variable]]:
    """Every variable of every contract, with places in the site file that reach a container which has it.

    Every service that has one, and on each kind of node the first container.
    """
    seen = set()
    for container, definition in CATALOGUE.containers.items():
        if definition.optional or definition.image not in CATALOGUE.images:
            continue
        service = CATALOGUE.find(definition.image)[0].service
        node = "compute1" if definition.group == "compute" else "controller"
        for name, variable in CATALOGUE.effective(definition.image).contract.items():
            yield name, "settings", variable
            yield name, f"services.{service}.environment", variable
            if (name, node) not in seen:
                seen.add((name, node))
                yield name, f"containers.{container}.environment", variable
                yield name, f"nodes.{node}.environment", variable
                yield name, f"nodes.{node}.services.{service}.environment", variable


def other(variable: Variable) -> str:
    """A valid value that is not the catalogue's."""
    if variable.generate == "key":
        return KEY
    choices = [each for each in variable.values if each != variable.default]
    return choices[-1] if choices else OTHER.get(variable.type, "other")


EVERYWHERE = {(name, place): other(variable) for name, place, variable in places()}


def saying(place: str, name: str, text: str) -> Site:
    """The demo site with the value of a variable at a place."""
    data = SITE.model_dump(mode="json")
    here = data
    for key in place.split("."):
        here = here.setdefault(key, {})
    here[name] = text
    return Site.model_validate(data)


def answer(place: str, name: str, text: str, secrets: Secrets | None = None) -> ResolvedSite | InputError:
    try:
        return resolve(CATALOGUE, saying(place, name, text), FACTS, secrets or counted())
    except InputError as error:
        return error


def test_the_demo_agrees_with_itself() -> None:
    assert Cloud(resolve(CATALOGUE, SITE, FACTS, counted())).disagreements() == []


@pytest.mark.parametrize(("name", "place"), EVERYWHERE)
def test_what_a_site_says_holds_for_all_who_share_it_or_is_refused(name: str, place: str) -> None:
    text = EVERYWHERE[name, place]
    site = answer(place, name, text)
    if isinstance(site, InputError):
        assert site.message.startswith(f"{place}.{name}: ")
        assert site.hint
        assert OTHER["secret"] not in site.message + site.hint
        return
    assert Cloud(site).disagreements() == []
    takers = [each for each in site.containers if everything(each).get(name) == text]
    assert takers, "it is taken, not dropped"
    if any(name in each.secrets for each in takers):
        assert not [each.key for each in site.containers if text in each.values.values()]
        files = bundle(site, b"key").files.values()
        assert not [
            path for each in files for path, file in each.items() if text in str(file) and "secrets/" not in path
        ]


@pytest.mark.parametrize("name", sorted({name for name, _ in EVERYWHERE}))
def test_an_empty_value_takes_nothing_away(name: str) -> None:
    site = answer("settings", name, "")
    assert isinstance(site, InputError) or Cloud(site).disagreements() == []


# ---------------------------------------------------------------- secrets


GIVEN = {
    "ADMIN_PASSWORD for all": ({"settings": {"ADMIN_PASSWORD": "contrail123"}}, "keystone/admin"),
    "ADMIN_PASSWORD for its service": (
        {"services": {"keystone": {"environment": {"ADMIN_PASSWORD": "contrail123"}}}},
        "keystone/admin",
    ),
    "RABBIT_PASSWORD": ({"services": {"nova": {"environment": {"RABBIT_PASSWORD": "contrail123"}}}}, "nova/rabbit"),
    "DATABASE_PASSWORD": (
        {"services": {"nova": {"environment": {"DATABASE_PASSWORD": "contrail123"}}}},
        "nova/database",
    ),
    "KEYSTONE_PASSWORD": (
        {"services": {"nova": {"environment": {"KEYSTONE_PASSWORD": "contrail123"}}}},
        "nova/keystone",
    ),
    "NEUTRON_METADATA_SECRET": ({"settings": {"NEUTRON_METADATA_SECRET": "contrail123"}}, "nova/metadata"),
}


@pytest.mark.parametrize("case", GIVEN)
def test_a_secret_that_the_site_gives_is_the_one_of_both_sides(case: str) -> None:
    changes, name = GIVEN[case]
    site, catalogue = open_site("demo")
    secrets = counted()
    made = resolve(catalogue, Site.model_validate(site.model_dump(mode="json") | changes), FACTS, secrets)
    assert Cloud(made).disagreements() == []
    assert secrets.get(name).reveal() == "contrail123"
    assert name not in secrets.made
    files = bundle(made, b"key").files
    holders = {path for each in files.values() for path, file in each.items() if b"contrail123" in file.content}
    assert holders
    assert all("/secrets/" in f"/{path}" for path in holders)
    assert "contrail123" not in repr(made)


def test_a_secret_stays_when_the_site_no_longer_gives_it() -> None:
    secrets = counted()
    answer("settings", "ADMIN_PASSWORD", "contrail123", secrets)
    again = resolve(CATALOGUE, SITE, FACTS, secrets)
    assert again.declarations["credentials"][0]["password"] == "contrail123"  # noqa: S105


REFUSED = {
    "one password for many": (
        {"settings": {"RABBIT_PASSWORD": "contrail123"}},
        "settings.RABBIT_PASSWORD: neutron and nova each have their own",
        "give each its own: `services: {neutron: {environment: {RABBIT_PASSWORD: …}}}`",
    ),
    "a part of those who share it": (
        {"containers": {"nova-api": {"environment": {"DATABASE_PASSWORD": "contrail123"}}}},
        "containers.nova-api.environment.DATABASE_PASSWORD: a secret has one value for all that share it",
        "write it below `services: {nova: {environment: {DATABASE_PASSWORD: …}}}`",
    ),
    "two values": (
        {
            "settings": {"NEUTRON_METADATA_SECRET": "contrail123"},
            "services": {"nova": {"environment": {"NEUTRON_METADATA_SECRET": "contrail124"}}},
        },
        "services.nova.environment.NEUTRON_METADATA_SECRET: settings.NEUTRON_METADATA_SECRET gives it another value",
        "give it once",
    ),
    "to who does not need it": (
        {"services": {"nova": {"environment": {"ADMIN_PASSWORD": "contrail123"}}}},
        "services.nova.environment.ADMIN_PASSWORD: no container that it is said to takes it",
        "keystone-bootstrap takes it: write it below `services: {keystone: {environment: {ADMIN_PASSWORD: …}}}`",
    ),
    "nothing": (
        {"settings": {"ADMIN_PASSWORD": ""}},
        "settings.ADMIN_PASSWORD: is empty",
        "correct it, or leave it out: one is made",
    ),
    "no key": (
        {"settings": {"FERNET_KEY": "contrail123"}},
        "settings.FERNET_KEY: is not a key: URL-safe base64 of 32 bytes",
        "correct it, or leave it out: one is made",
    ),
    "an account": (
        {"services": {"nova": {"environment": {"DATABASE_USER": "other"}}}},
        "services.nova.environment.DATABASE_USER: the site makes it by itself and calls it `nova`",
        "leave it out",
    ),
    "the administrator": (
        {"settings": {"ADMIN_USER": "root"}},
        "settings.ADMIN_USER: the site makes it by itself and calls it `admin`",
        "leave it out",
    ),
    "the region": (
        {"settings": {"REGION": "east"}},
        "settings.REGION: `region` decides it: RegionOne",
        "leave it out, and write `region: east`",
    ),
    "an address": (
        {"services": {"nova": {"environment": {"HOST_IP": "198.18.80.99"}}}},
        "services.nova.environment.HOST_IP: `nodes.controller.management` decides it: 198.18.80.10",
        "leave it out, and write `management: 198.18.80.99` below `nodes.controller`",
    ),
    "a server elsewhere": (
        {"settings": {"MYSQL_SERVER": "192.0.2.99"}},
        "settings.MYSQL_SERVER: MariaDB runs in the site, at 198.18.80.10",
        "leave it out, or let no node run mariadb",
    ),
    "another way to it": (
        {"settings": {"KEYSTONE_URL": "https://192.0.2.99/v3"}},
        "settings.KEYSTONE_URL: Keystone runs in the site, at http://198.18.80.10:5000/v3",
        "leave it out, or let no node run keystone",
    ),
    "a port of clients": (
        {"services": {"nova": {"environment": {"MYSQL_PORT": 3307}}}},
        "services.nova.environment.MYSQL_PORT: MariaDB runs in the site, at port 3306",
        "change it for all: `containers: {mariadb: {environment: {MYSQL_PORT: 3307}}}`",
    ),
    "one port for many": (
        {"settings": {"API_PORT": "5999"}},
        "settings.API_PORT: glance-api and keystone would both have port 5999 of controller",
        "give each its own, below `containers: {NAME: {environment: …}}`",
    ),
    "a port that is taken": (
        {"containers": {"keystone": {"environment": {"API_PORT": 3306}}}},
        "containers.keystone.environment.API_PORT: mariadb and keystone would both have port 3306 of controller",
        "give each its own, below `containers: {NAME: {environment: …}}`",
    ),
    "accounts": (
        {"settings": {"RABBIT_ACCOUNTS": "[]"}},
        "settings.RABBIT_ACCOUNTS: the declarations of the site's services make it",
        "leave it out",
    ),
    "what was removed": (
        {"settings": {"ADMIN_TOKEN": "contrail123"}},
        "settings.ADMIN_TOKEN: ADMIN_TOKEN is removed",
        "keystone-bootstrap registers every service and user, and needs no token",
    ),
    "an option": (
        {"services": {"nova": {"options": {"keystone_authtoken": {"region_name": "east"}}}}},
        "services.nova.options.keystone_authtoken.region_name: the site decides it: REGION sets it",
        "leave it out",
    ),
    "an option with a password in it": (
        {
            "services": {
                "glance": {"options": {"database": {"connection": "mysql://glance:contrail123@192.0.2.99/glance"}}}
            }
        },
        "services.glance.options.database.connection: a secret, which everybody could read",
        "leave it out",
    ),
    "a number": (
        {
            "services": {"nova": {"environment": {"RABBIT_PASSWORD": "contrail"}}},
            "settings": {"ADMIN_PASSWORD": 123456},
        },
        "settings.ADMIN_PASSWORD: must be text, and `********` is a number",
        "put it in quotes",
    ),
}


def written(tmp_path: Path, changes: dict[str, Any]) -> tuple[str, dict[str, int]]:
    """The demo's file with other keys, and the line of each key of the first level."""
    data = yaml.safe_load(json.dumps(SITE.model_dump(mode="json", exclude_defaults=True) | changes))
    text = yaml.safe_dump(data, sort_keys=False)
    file = tmp_path / "site.yaml"
    file.write_text(text)
    lines = {line.partition(":")[0]: number for number, line in enumerate(text.splitlines(), 1)}
    return str(file), lines


def opened(file: str) -> ResolvedSite:
    site, catalogue = open_site(file)
    return resolve(catalogue, site, FACTS, counted())


@pytest.mark.parametrize("case", REFUSED)
def test_a_second_source_is_refused_with_the_line_and_the_way_to_do_it(case: str, tmp_path: Path) -> None:
    changes, message, hint = REFUSED[case]
    file, lines = written(tmp_path, changes)
    with pytest.raises(InputError) as caught:
        opened(file)
    path = message.partition(": ")[0].split(".")
    line = lines["  " * (len(path) - 1) + path[-1]]
    assert caught.value.message.startswith(f"{file}:{line}: {message}")
    assert caught.value.hint.startswith(hint)
    assert "contrail" not in caught.value.message + caught.value.hint


def test_all_second_sources_are_told_at_once(tmp_path: Path) -> None:
    words = {"RABBIT_PASSWORD": "x", "ADMIN_USER": "root", "REGION": "east", "MYSQL_SERVER": "a.b"}
    file, _ = written(tmp_path, {"settings": words})
    with pytest.raises(InputError, match="4 problems") as caught:
        opened(file)
    assert [name for name in words if f"settings.{name}: " not in caught.value.message] == []


@pytest.mark.parametrize("number", ["0777", "1.50", "yes", "12_345"])
def test_a_password_that_yaml_would_change_is_refused(number: str, tmp_path: Path) -> None:
    file, _ = written(tmp_path, {"services": {"nova": {"environment": {"RABBIT_PASSWORD": "HERE"}}}})
    Path(file).write_text(Path(file).read_text().replace("HERE", number))
    with pytest.raises(InputError, match="RABBIT_PASSWORD: YAML reads it as a number or a truth value") as caught:
        opened(file)
    assert caught.value.hint == "put it in quotes"
    Path(file).write_text(Path(file).read_text().replace(number, f"'{number}'"))
    assert Cloud(opened(file)).disagreements() == []


def test_what_agrees_with_the_site_changes_nothing() -> None:
    seed = {
        "ADMIN_USER": "admin",
        "ADMIN_TENANT": "admin",
        "REGION": "RegionOne",
        "KEYSTONE_SERVER": "controller",
        "MYSQL_SERVER": "198.18.80.10",
        "MYSQL_PORT": "3306",
        "ENCAPSULATION": "vxlan",
    }
    agreeing, plain = resolved("demo", settings=seed), resolved("demo")
    assert [everything(each) for each in agreeing.containers] == [everything(each) for each in plain.containers]


def test_a_server_elsewhere_is_called_with_accounts_that_the_site_names() -> None:
    roles = ["rabbitmq", "memcached", "keystone", "nova", "neutron", "glance", "control", "placement"]
    nodes = {"controller": {"roles": roles}, "compute1": {"roles": ["compute"]}}
    elsewhere = {"MYSQL_SERVER": "192.0.2.99", "MYSQL_PORT": "3307"}
    accounts = {"DATABASE_USER": "nova2", "DATABASE_NAME": "nova2", "DATABASE_PASSWORD": "contrail123"}
    site = resolved("demo", nodes=nodes, settings=elsewhere, services={"nova": {"environment": accounts}})
    values = everything(site.by_name["demo-controller-nova-api"])
    assert elsewhere.items() | accounts.items() <= values.items()


def test_a_url_with_a_password_in_it_is_a_secret() -> None:
    roles = ["mariadb", "rabbitmq", "memcached", "nova", "neutron", "glance", "control", "placement"]
    nodes = {"controller": {"roles": roles}, "compute1": {"roles": ["compute"]}}
    url = "http://proxy:contrail123@192.0.2.99:5000/v3"
    site = resolved("demo", nodes=nodes, settings={"KEYSTONE_SERVER": "192.0.2.99", "KEYSTONE_URL": url})
    assert {each.secrets["KEYSTONE_URL"].reveal() for each in site.containers if "KEYSTONE_URL" in each.knows} == {url}


def test_a_public_url_is_told_to_everybody() -> None:
    url = "https://console.example.org"
    site = resolved("demo", containers={"nova-novncproxy": {"environment": {"NOVNC_URL": url}}})
    assert {each.values["NOVNC_URL"] for each in site.containers if "NOVNC_URL" in each.knows} == {url}


# ---------------------------------------------------------------- keys of the site


def test_a_bad_region_is_told_where_it_is_written(tmp_path: Path) -> None:
    file, lines = written(tmp_path, {"region": "Region One"})
    with pytest.raises(InputError) as caught:
        opened(file)
    message = "region: 'Region One' is not a name: letters, digits, '.', '_' and '-'"
    assert caught.value.message == f"{file}:{lines['region']}: {message}"


KEYS = {
    "site.name": "site",
    "site.region": "region",
    "site.release": "release",
    "site.sdn": "sdn",
    "site.encapsulation": "encapsulation",
    "site.management_prefix": "networks.management",
    "site.tunnel_prefix": "networks.tunnel",
    "site.management": "networks.management",
    "site.tunnel": "networks.tunnel",
    "site.public": "networks.public",
    "site.public_interface": "networks.public",
    "site.origins": "publish.origins",
    "site.ports": "publish",
    "site.contents": "contents",
    "site.memory": "nodes",
    "node.public": "networks.public",
    "node.name": "nodes.two",
    "node.management": "nodes.two.management",
    "node.tunnel": "nodes.two.tunnel",
    "node.zone": "nodes.two.zone",
    "node.roles": "nodes.two.roles",
    "zones": "nodes",
}
"""Fact that expressions see -> key of the site file that it comes from."""


@pytest.mark.parametrize("fact", KEYS)
def test_a_bad_value_is_told_at_the_key_that_it_comes_from(fact: str, tmp_path: Path) -> None:
    root = Path(shutil.copytree(TOY, tmp_path / "catalogue"))
    service = root / "toy" / "late" / "service.yaml"
    added = f"""FACT: {{type: cidr, help: Nothing fits it., site: "{{{{ 'x' ~ {fact} }}}}"}}"""
    text = service.read_text().replace("    contract:\n", f"    contract:\n      {added}\n", 1)
    service.write_text(
        text.replace("    node_cgroup: true\n", "    node_cgroup: true\n    hypervisor: true\n    public: true\n")
    )
    site = root / "sites" / "toy.yaml"
    zone = "  two: {roles: [compute], zone: west}"
    spread = """  two:
    roles: [compute]
    zone: west
    management: 172.31.96.22
    tunnel: 172.31.97.22
"""
    tunnel = "  tunnel: 172.31.97.0/24\n"
    text = site.read_text().replace(zone, spread).replace(tunnel, f"{tunnel}  public: 172.31.98.0/24\n")
    text = text.replace("publish: {offset: 20000}\n", "publish:\n  offset: 20000\n  origins: []\n")
    site.write_text(f"{text}region: here\nencapsulation: vxlan\ncontents: {{}}\n")
    known, catalogue = open_site("toy", root)
    with pytest.raises(InputError) as caught:
        resolve(catalogue, known, FACTS, counted())
    key = KEYS[fact]
    word = f"{key.rpartition('.')[2]}:"
    lines = [number for number, text in enumerate(site.read_text().splitlines(), 1) if text.strip().startswith(word)]
    line = lines[-1] if key.startswith("nodes.") else lines[0]
    assert f"{site}:{line}: {key}: " in caught.value.message
    assert " is not a network" in caught.value.message


def test_every_fact_that_expressions_see_has_its_key() -> None:
    placement = place(CATALOGUE, SITE, FACTS, Problems())
    scope = Scope(SITE, placement, counted(), {}, {})
    facts = {
        f"{name}.{key}"
        for name in ("site", "node")
        for key in json.loads(scope.plain(f"{{{{ {name} | tojson }}}}", placement.nodes[0]))
    }
    assert facts | {"zones"} == KEYS.keys()


def test_a_key_that_the_file_does_not_have_names_no_line(tmp_path: Path) -> None:
    file, _ = written(tmp_path, {})
    problems = Problems(source=open_site(file)[0].source)
    problems.at(("publish", "address"), "is wrong", "correct it")
    with pytest.raises(InputError) as caught:
        problems.check()
    assert caught.value.message == f"{file}: publish.address: is wrong"
