"""A site under another name: what its URLs say, where its ports appear, what is refused, and what a change touches."""

from collections.abc import Mapping
from configparser import ConfigParser
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_decide import everything, planned

from resolved_sites import FACTS, rendered, resolved
from stackyard.catalogue import open_site
from stackyard.catalogue.container import container_json
from stackyard.entrypoint.contract import read_environment
from stackyard.entrypoint.endpoints import from_environment
from stackyard.entrypoint.files import render
from stackyard.errors import InputError
from stackyard.plan.decide import Plan
from stackyard.plan.resolve import resolve
from stackyard.plan.resolved import ResolvedSite
from stackyard.secrets import Secrets

NAME = "cloud.example.org"
_, CATALOGUE = open_site("demo")
ALL = "0.0.0.0"  # noqa: S104 - nothing is bound
PATHS = {
    "identity": f"https://{NAME}/identity",
    "compute": f"https://{NAME}/compute",
    "console": f"https://{NAME}/console",
}


def known_as(site: ResolvedSite) -> dict[str, str]:
    """Endpoint -> its public URL."""
    return {each.endpoint: each.url for each in site.urls}


def bound(site: ResolvedSite) -> set[str]:
    """Addresses of the host that ports appear on."""
    files = rendered(site).files["controller"]
    compose = yaml.safe_load(files["node/docker-compose.yml"].content)
    return {port["host_ip"] for service in compose["services"].values() for port in service["ports"]}


def values(site: ResolvedSite, variable: str) -> dict[str, str]:
    """Container -> its value of a variable, of those that have one."""
    return {each.key: each.values[variable] for each in site.containers if variable in each.values}


# ---------------------------------------------------------------- URLs


@pytest.mark.parametrize(
    ("publish", "identity", "local", "address", "direct"),
    [
        ({}, "http://127.0.0.1:5000/v3", "http://127.0.0.1:5000", "127.0.0.1", True),
        ({"address": "192.0.2.9"}, "http://192.0.2.9:5000/v3", "http://192.0.2.9:5000", "192.0.2.9", True),
        ({"address": ALL}, "http://192.0.2.1:5000/v3", "http://127.0.0.1:5000", ALL, True),
        ({"address": "2001:db8::9"}, "http://[2001:db8::9]:5000/v3", "http://[2001:db8::9]:5000", "2001:db8::9", True),
        (
            {"address": "192.0.2.9", "bind": "192.0.2.7"},
            "http://192.0.2.9:5000/v3",
            "http://192.0.2.7:5000",
            "192.0.2.7",
            False,
        ),
        (
            {"address": "192.0.2.9", "bind": ALL},
            "http://192.0.2.9:5000/v3",
            "http://127.0.0.1:5000",
            ALL,
            True,
        ),
        ({"address": NAME}, f"http://{NAME}:5000/v3", "http://127.0.0.1:5000", "127.0.0.1", False),
        ({"address": "Cloud.Example.ORG."}, f"http://{NAME}:5000/v3", "http://127.0.0.1:5000", "127.0.0.1", False),
        ({"address": NAME, "bind": ALL}, f"http://{NAME}:5000/v3", "http://127.0.0.1:5000", ALL, True),
        (
            {"address": NAME, "bind": ALL, "scheme": "https"},
            f"https://{NAME}:5000/v3",
            "http://127.0.0.1:5000",
            ALL,
            False,
        ),
        (
            {"address": NAME, "scheme": "https", "offset": 1000},
            f"https://{NAME}:6000/v3",
            "http://127.0.0.1:6000",
            "127.0.0.1",
            False,
        ),
        ({"urls": PATHS}, f"https://{NAME}/identity/v3", "http://127.0.0.1:5000", "127.0.0.1", False),
        (
            {"urls": {"identity": f"https://{NAME}/identity/v3/"}},
            f"https://{NAME}/identity/v3",
            "http://127.0.0.1:5000",
            "127.0.0.1",
            False,
        ),
    ],
)
def test_where_an_endpoint_is_known_and_where_it_answers(
    publish: dict[str, Any], identity: str, local: str, address: str, direct: bool
) -> None:
    site = resolved("demo", publish=publish)
    (url,) = (each for each in site.urls if each.endpoint == "identity")
    assert (url.url, url.local, url.direct) == (identity, local, direct)
    assert site.declarations["credentials"][0]["auth_url"] == identity
    (registered,) = (each for each in site.declarations["endpoint"] if each["type"] == "identity")
    assert registered["public"] == identity
    assert bound(site) == {address}


def test_all_that_the_urls_of_a_site_say_follows() -> None:
    site = resolved("demo", publish={"address": NAME, "scheme": "https", "urls": PATHS})
    assert known_as(site) == {
        "identity": f"https://{NAME}/identity/v3",
        "compute": f"https://{NAME}/compute/v2.1",
        "console": f"https://{NAME}/console",
        "image": f"https://{NAME}:9292",
        "network": f"https://{NAME}:9696",
        "placement": f"https://{NAME}:8778",
    }
    assert set(values(site, "NOVNC_URL").values()) == {f"https://{NAME}/console"}
    assert set(values(site, "NOVNC_URL")) == {
        "compute1/nova-compute",
        "compute2/nova-compute",
        "controller/nova-novncproxy",
    }
    assert values(site, "CORS_ORIGINS") == dict.fromkeys(
        (f"controller/{name}" for name in ("glance-api", "keystone", "neutron-server", "nova-api", "placement")),
        f"https://{NAME}",
    )
    assert not any(NAME in url for url in values(site, "KEYSTONE_URL").values())


@pytest.mark.parametrize(
    ("publish", "origins"),
    [
        ({}, set()),
        ({"address": "192.0.2.9"}, set()),
        ({"address": NAME, "origins": []}, set()),
        ({"address": NAME}, {f"http://{NAME}"}),
        (
            {"origins": ["https://a.example.org/", "http://b.example.org:81"]},
            {"https://a.example.org,http://b.example.org:81"},
        ),
    ],
)
def test_pages_that_may_call_the_apis(publish: dict[str, Any], origins: set[str]) -> None:
    assert set(values(resolved("demo", publish=publish), "CORS_ORIGINS").values()) == origins


def written(site: ResolvedSite, container: str) -> ConfigParser:
    """What is written to the nova.conf of a container."""
    (found,) = (each for each in site.containers if each.key == container)
    known = container_json(CATALOGUE, found.definition.image)
    given = {**found.values, **{name: each.reveal() for name, each in found.secrets.items()}}
    values = read_environment(known["contract"], given, overrides=known["overrides"]).values
    seen = {**values, "endpoint": lambda name: from_environment(known["endpoints"], name, values)}
    template = {"/etc/nova/nova.conf": {"source": "nova.conf.j2"}}
    files, problems = render(template, seen, CATALOGUE.template_folders("nova"))
    assert not problems
    parser = ConfigParser(interpolation=None, strict=False)
    parser.read_string(files[0][1])
    return parser


@pytest.mark.parametrize(
    ("publish", "page", "host"),
    [
        ({}, "http://127.0.0.1:6080/vnc_lite.html", "127.0.0.1"),
        ({"address": NAME, "offset": 1}, f"http://{NAME}:6081/vnc_lite.html", NAME),
        ({"address": "2001:db8::9"}, "http://[2001:db8::9]:6080/vnc_lite.html", "2001:db8::9"),
        ({"urls": {"console": "https://[2001:db8::9]/"}}, "https://[2001:db8::9]/vnc_lite.html", "2001:db8::9"),
        ({"urls": PATHS}, f"https://{NAME}/console/vnc_lite.html?path=console/", NAME),
        ({"urls": {"console": "https://a.b:7/c/d"}}, "https://a.b:7/c/d/vnc_lite.html?path=c/d/", "a.b"),
    ],
)
def test_a_console_is_a_page_of_the_site(publish: dict[str, Any], page: str, host: str) -> None:
    site = resolved("demo", publish=publish)
    compute = written(site, "compute1/nova-compute")
    assert compute["vnc"]["novncproxy_base_url"] == page
    assert compute["serial_console"]["base_url"] == f"{page.partition('vnc_lite')[0]}".replace("http", "ws", 1)
    assert compute["serial_console"]["proxyclient_address"] == compute["vnc"]["server_proxyclient_address"]
    assert written(site, "controller/nova-novncproxy")["console"]["allowed_origins"] == host
    api = written(site, "controller/nova-api")
    assert ("novncproxy_base_url" in api["vnc"], "console" in api) == (False, False)
    assert ("cors" in api) == bool(values(site, "CORS_ORIGINS"))


def test_pages_of_the_dashboard_may_open_consoles() -> None:
    site = resolved(
        "full", publish={"urls": {"dashboard": "https://dashboard.example.org/", "console": f"https://{NAME}"}}
    )
    assert written(site, "controller/nova-novncproxy")["console"]["allowed_origins"] == f"{NAME},dashboard.example.org"


@pytest.mark.parametrize(("said", "name"), [({"NOVNC_URL": f"https://{NAME}/other"}, "settings.NOVNC_URL")])
def test_a_url_that_is_said_twice_is_said_once(said: Mapping[str, str], name: str) -> None:
    with pytest.raises(InputError) as caught:
        resolved("demo", publish={"urls": PATHS}, settings=said)
    assert caught.value.message == f"{name}: `publish.urls.console` says {PATHS['console']}"
    site = resolved("demo", publish={"urls": PATHS}, settings={"NOVNC_URL": PATHS["console"]})
    assert known_as(site)["console"] == PATHS["console"]


# ---------------------------------------------------------------- what is refused


def read(file: Path) -> None:
    """Read a site and decide it."""
    site, catalogue = open_site(str(file))
    resolve(catalogue, site, FACTS, Secrets())


@pytest.mark.parametrize(
    ("publish", "path", "message", "remedy"),
    [
        (
            {"address": f"https://{NAME}/x"},
            "address",
            f"`https://{NAME}/x` is a URL",
            f"write `address: {NAME}` and `scheme: https`",
        ),
        ({"address": f"{NAME}:8443"}, "address", f"`{NAME}:8443` has a port in it", f"write `address: {NAME}`;"),
        (
            {"address": "cloud_1"},
            "address",
            "`cloud_1` is neither an IP address nor a host name",
            "write it as 192.0.2.10",
        ),
        (
            {"address": "192.0.2.300"},
            "address",
            "`192.0.2.300` is neither an IP address nor a host name",
            "write it as",
        ),
        ({"address": "a..b"}, "address", "`a..b` is neither an IP address nor a host name", "write it as"),
        ({"address": ""}, "address", "`` is neither an IP address nor a host name", "write it as"),
        ({"bind": NAME}, "bind", f"`{NAME}` is not an IP address", "write it as 192.0.2.10"),
        ({"scheme": "ftp"}, "scheme", "`ftp` is not one of the allowed values", "write 'http' or 'https'"),
        (
            {"urls": {"identty": f"https://{NAME}/identity"}},
            "urls.identty",
            "there is no endpoint `identty`",
            "did you mean identity",
        ),
        (
            {"urls": {"database": f"https://{NAME}/db"}},
            "urls.database",
            "database is not published",
            "published ones are",
        ),
        (
            {"urls": {"identity": f"{NAME}/identity"}},
            "urls.identity",
            f"`{NAME}/identity` has no scheme",
            "begin it with",
        ),
        (
            {"urls": {"identity": "ftp://x/y"}},
            "urls.identity",
            "`ftp://x/y` is neither https nor http",
            "begin it with",
        ),
        ({"urls": {"identity": "https://x:99999/"}}, "urls.identity", "`https://x:99999/` is not a URL", "write it as"),
        ({"urls": {"identity": "https:///v3"}}, "urls.identity", "`https:///v3` has no host", "write it as"),
        (
            {"urls": {"identity": "https://x/?a=b"}},
            "urls.identity",
            "`https://x/?a=b` has a user, a blank",
            "write it as",
        ),
        (
            {"urls": {"identity": "https://u:p@x"}},
            "urls.identity",
            "`https://u:p@x` has a user, a blank",
            "write it as",
        ),
        (
            {"urls": {"identity": "https://x/a", "image": "https://x/a/"}},
            "urls.image",
            "https://x/a is the URL of identity already",
            "give each its own path",
        ),
        ({"origins": ["https://x/page"]}, "origins.0", "`https://x/page` has a path", "write https://x"),
        ({"origins": ["*"]}, "origins.0", "`*` has no scheme", "begin it with"),
        ({"url": {}}, "url", "unknown key", "did you mean urls"),
    ],
)
def test_what_cannot_be_is_told_with_its_line(
    publish: dict[str, Any], path: str, message: str, remedy: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    data = {"site": "mine", "release": "2026.2", "networks": {"management": "198.18.1.0/24", "tunnel": "198.18.2.0/24"}}
    file.write_text(
        yaml.safe_dump({**data, "nodes": {"all": {"roles": ["controller"]}}, "publish": publish}, sort_keys=False)
    )
    key, _, item = path.removeprefix("urls.").partition(".")
    line = next(number for number, text in enumerate(file.read_text().splitlines(), 1) if f"{key}:" in text)
    with pytest.raises(InputError) as caught:
        read(file)
    assert caught.value.message.startswith(
        f"{file}:{line + bool(item)}: publish.{path.replace('.0', '[0]')}: {message}"
    )
    assert remedy in caught.value.hint


def test_a_url_of_what_no_node_serves_is_refused() -> None:
    nodes = {"controller": {"roles": ["common", "database", "nova", "neutron"]}, "one": {"roles": ["compute"]}}
    with pytest.raises(InputError) as caught:
        resolved("demo", nodes=nodes, publish={"urls": {"image": f"https://{NAME}/image"}})
    assert "publish.urls.image: no node of the site serves image" in str(caught.value)


# ---------------------------------------------------------------- a change of a running site

UNTOUCHED = (
    "mariadb",
    "rabbitmq",
    "memcached",
    "ovn-nb",
    "ovn-sb",
    "ovn-northd",
    "libvirt",
    "ovs-vswitchd",
    "nova-scheduler",
)
URL = {"controller/keystone-bootstrap", "controller/nova-novncproxy", "compute1/nova-compute", "compute2/nova-compute"}
APIS = {f"controller/{name}" for name in ("glance-api", "keystone", "neutron-server", "nova-api", "placement")}


def change(before: dict[str, Any], after: dict[str, Any], host: str = FACTS.address) -> Plan:
    """The plan when a running site is published in another way, or its host has another address."""
    site = resolved("demo", publish=before)
    had = {each.name: tuple(map(str, each.addresses.values())) for each in site.nodes}
    then = resolved("demo", facts=replace(FACTS, nodes=had, address=host), publish=after)
    return planned(then, everything(site, rendered(site)), rendered(then))


@pytest.mark.parametrize(
    ("before", "after", "host", "anew"),
    [
        ({}, {}, "192.0.2.77", set()),
        ({"address": ALL}, {"address": ALL}, "192.0.2.77", URL),
        ({"address": NAME}, {"address": NAME}, "192.0.2.77", set()),
        ({"bind": ALL}, {"bind": ALL, "address": "192.0.2.9"}, "192.0.2.1", URL),
        ({"address": NAME}, {"address": "other.example.org"}, "192.0.2.1", URL | APIS),
        ({"address": NAME, "origins": []}, {"address": "other.example.org", "origins": []}, "192.0.2.1", URL),
        ({}, {"address": NAME, "scheme": "https", "urls": PATHS}, "192.0.2.1", URL | APIS),
        ({}, {"urls": {"console": PATHS["console"]}}, "192.0.2.1", URL - {"controller/keystone-bootstrap"}),
        ({}, {"urls": {"image": f"https://{NAME}/image"}}, "192.0.2.1", {"controller/keystone-bootstrap"}),
    ],
)
def test_only_what_has_the_url_is_made_anew(
    before: dict[str, Any], after: dict[str, Any], host: str, anew: set[str]
) -> None:
    plan = change(before, after, host)
    assert {step.key for step in plan.changes} == anew
    assert all(step.verb == "recreate" and step.why for step in plan.changes)
    assert not any(step.key.endswith(f"/{name}") for step in plan.changes for name in UNTOUCHED)
    assert not plan.ending({"libvirt"})


def test_the_reasons_are_what_has_changed() -> None:
    why = {step.key: step.why for step in change({}, {"address": NAME}).changes}
    assert any("NOVNC_URL" in reason for reason in why["compute1/nova-compute"])
    assert any("CORS_ORIGINS" in reason for reason in why["controller/nova-api"])
    assert why["controller/keystone-bootstrap"] == ("secrets changed",)


def test_other_ports_of_the_host_make_the_node_anew_that_has_them() -> None:
    plan = change({"address": NAME}, {"address": NAME, "bind": "192.0.2.7"})
    assert {step.node for step in plan.changes} == {"controller"}
    assert {step.why for step in plan.changes if step.is_node} == {("published ports changed",)}
