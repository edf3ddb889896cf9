"""The site under another name: one TLS proxy with a path for each service, whose name no resolver knows."""

import copy
import json
import os
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import openstack
import pytest
import requests
import yaml

from demo import COMPUTES, NAME, Site
from tls_proxy import certificate, tls_proxy
from tool import ROOT, Outcome

pytestmark = [pytest.mark.cloud, pytest.mark.full]

DEMO = yaml.safe_load((ROOT / "catalogue/sites/demo.yaml").read_text())
HOST, PORT = "cloud.example.org", 18443
BASE = f"https://{HOST}:{PORT}"
PORTS = {"identity": 5000, "image": 9292, "network": 9696, "compute": 8774, "placement": 8778, "console": 6080}
APIS = ("glance-api", "keystone", "neutron-server", "nova-api", "placement")
SECONDS = 900
LOOKUP = socket.getaddrinfo


@dataclass(frozen=True)
class Published:
    """The site, its proxy's certificate, and what `up` and `verify --clean` said before there was a proxy."""

    site: Site
    pem: Path
    up: Outcome
    clean: Outcome
    touched: set[str]

    @property
    def cloud(self) -> openstack.connection.Connection:
        """A connection as a user has it: with the printed clouds.yaml and the authority."""
        printed = yaml.safe_load(self.site.stackyard("env", "--clouds-yaml", "--site", self.site.file).stdout)
        return openstack.connect(
            **printed["clouds"]["demo"], cacert=str(self.pem), load_yaml_config=False, load_envvars=False
        )

    def get(self, url: str, method: str = "GET", **headers: str) -> requests.Response:
        """Ask through the proxy."""
        return requests.request(method, url, headers=headers, verify=str(self.pem), timeout=60)


def lookup(host: Any, *arguments: Any, **others: Any) -> Any:
    """The name leads to this host for this process, and for nobody else."""
    return LOOKUP("127.0.0.1" if host == HOST else host, *arguments, **others)


@pytest.fixture(scope="module")
def published(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    """The demo below one URL; it is the demo again in the end."""
    folder = tmp_path_factory.mktemp("publish")
    file, pem = folder / "demo.yaml", certificate(HOST, folder)
    offset = DEMO.get("publish", {}).get("offset", 0)
    publish = {"address": HOST, "scheme": "https", "urls": {name: f"{BASE}/{name}" for name in PORTS}, "offset": offset}
    publish["origins"] = [BASE]
    file.write_text(yaml.safe_dump({**copy.deepcopy(DEMO), "publish": publish}))
    before = site.containers()
    site.file = str(file)
    try:
        up = site.stackyard("up", "--site", str(file), timeout=SECONDS)
        after = site.containers()
        clean = site.stackyard("verify", "--clean", "--site", str(file))
        paths = {f"/{name}": ("127.0.0.1", port + offset) for name, port in PORTS.items()}
        with pytest.MonkeyPatch.context() as patch, tls_proxy(HOST, PORT, paths, pem):
            patch.setattr(socket, "getaddrinfo", lookup)
            yield Published(site, pem, up, clean, {name for name in after if after[name] != before.get(name)})
    finally:
        site.file = NAME
        site.stackyard("up", timeout=SECONDS)


def test_up_says_what_the_proxy_has_to_forward(published: Published) -> None:
    said = published.up.stdout
    assert "the ports appear on 127.0.0.1; what answers at these URLs has to forward them" in said
    rows = {tuple(line.split()) for line in said.splitlines() if line.startswith("https://")}
    offset = DEMO.get("publish", {}).get("offset", 0)
    assert rows == {(f"{BASE}/{name}", f"http://127.0.0.1:{port + offset}") for name, port in PORTS.items()}


def test_only_what_has_the_url_was_made_anew(published: Published) -> None:
    site = published.site
    wanted = {site.container("controller", name) for name in (*APIS, "nova-novncproxy")}
    assert published.touched == wanted | {site.container(node, "nova-compute") for node in COMPUTES}


def test_the_tool_needs_neither_name_nor_proxy(published: Published) -> None:
    assert published.clean.stdout == "nothing is left\n"


def test_links_of_version_documents_lead_back(published: Published) -> None:
    for name in set(PORTS) - {"console"}:
        found = published.get(f"{BASE}/{name}/").text
        links = [each["href"] for each in walk(json.loads(found)) if each.get("rel") == "self" and each["href"]]
        assert all(link.startswith(f"{BASE}/{name}/") for link in links), found
        assert links or name == "placement"


def walk(data: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in an answer."""
    if isinstance(data, dict):
        yield data
    for each in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from walk(each)


def test_a_client_works_through_it(published: Published) -> None:
    cloud = published.cloud
    assert cloud.config.config["auth"]["auth_url"] == f"{BASE}/identity/v3"
    assert list(cloud.compute.servers(all_projects=True, limit=1)) == []
    assert {each.name for each in cloud.placement.resource_providers()} == set(COMPUTES)
    urls = {each.url for each in cloud.identity.endpoints() if each.interface == "public"}
    assert all(url.startswith(f"{BASE}/") for url in urls)
    assert cloud.identity.get("/users").json()["links"]["self"] == f"{BASE}/identity/v3/users"


def test_pages_of_long_lists_are_found_through_it(published: Published) -> None:
    cloud = published.cloud
    images = [cloud.image.create_image(name=f"page-{number}", disk_format="raw") for number in range(2)]
    flavors = [cloud.compute.create_flavor(name=f"page-{number}", ram=64, vcpus=1, disk=0) for number in range(2)]
    networks = [cloud.network.create_network(name=f"page-{number}") for number in range(2)]
    try:
        assert cloud.image.get("/images?limit=1").json()["next"].startswith("/v2/images?")  # below what was asked
        assert {each.id for each in cloud.image.images(limit=1)} >= {each.id for each in images}
        for service, api, made in (("compute", "flavors", flavors), ("network", "networks", networks)):
            proxy = getattr(cloud, service)
            page = proxy.get(f"/{api}?limit=1").json()
            (link,) = (each["href"] for each in page[f"{api}_links"] if each["rel"] == "next")
            assert link.startswith(f"{BASE}/{service}/v2"), link
            assert {each.id for each in getattr(proxy, api)(limit=1)} >= {each.id for each in made}
    finally:
        for each in images:
            cloud.image.delete_image(each)
        for each in flavors:
            cloud.compute.delete_flavor(each)
        for each in networks:
            cloud.network.delete_network(each)


def test_pages_of_the_site_may_call_the_apis_and_no_others(published: Published) -> None:
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "X-Auth-Token"}
    for name in set(PORTS) - {"console"}:
        for origin, allowed in ((BASE, BASE), ("https://evil.example.org", None)):
            answer = published.get(f"{BASE}/{name}/", "OPTIONS", Origin=origin, **asked)
            assert answer.headers.get("Access-Control-Allow-Origin") == allowed, (name, origin)


@pytest.fixture(scope="module")
def console(published: Published) -> Iterator[str]:
    """URL of the console of a VM that has nothing to boot from."""
    cloud = published.cloud
    image = cloud.create_image("idle", disk_format="raw", container_format="bare", data=b"\0" * 1024**2, wait=True)
    flavor = cloud.compute.create_flavor(name="idle", ram=64, vcpus=1, disk=0)
    what = {"image_id": image.id, "flavor_id": flavor.id, "networks": "none"}
    server = cloud.compute.create_server(name="console", **what)
    try:
        assert cloud.compute.wait_for_server(server, wait=300).status == "ACTIVE"
        yield cloud.compute.create_console(server, console_type="novnc")["url"]
    finally:
        cloud.compute.delete_server(server)
        cloud.compute.wait_for_delete(server, wait=120)
        cloud.compute.delete_flavor(flavor)
        cloud.image.delete_image(image)


def test_the_console_is_a_page_at_the_name(published: Published, console: str) -> None:
    assert console.startswith(f"{BASE}/console/vnc_lite.html?path=")
    assert "noVNC" in published.get(console).text


@pytest.mark.parametrize(
    ("origin", "opens"),
    [(BASE, True), ("https://evil.example.org", False)],
)
def test_the_console_opens_for_its_own_page_only(published: Published, console: str, origin: str, opens: bool) -> None:
    (path,) = parse_qs(urlsplit(console).query)["path"]  # the page asks for that, below the root of its host
    told = said_first(published.pem, f"/{path}", origin)
    assert (b"RFB 003" in told) == opens, told


def said_first(pem: Path, path: str, origin: str) -> bytes:
    """What a WebSocket hears when it is open."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {HOST}:{PORT}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {b64encode(os.urandom(16)).decode()}",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: binary",
        f"Origin: {origin}",
    ]
    context = ssl.create_default_context(cafile=str(pem))
    plain = socket.create_connection((HOST, PORT), timeout=60)
    with closing(context.wrap_socket(plain, server_hostname=HOST)) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        told = b""
        while b"RFB" not in told and (more := connection.recv(4096)):
            told += more
        return told
