"""A service is a folder: one in the site's own catalogue folder is built and runs, without any Python."""

import urllib.request

import pytest

pytestmark = pytest.mark.cloud

SERVICE = """\
service: greeter
title: A service of somebody else
labels: {net.juniper.openstack: greeter}
user: 2499
uses: [host]
contract:
  GREETING:
    type: str
    required: true
    help: What visitors are told.
    example: good day
    site: "hello from {{ site.name }} on {{ node.name }}"
  TOKEN:
    type: secret
    required: true
    help: Nobody is told.
    secret: greeter/token
endpoints:
  greeting: {title: the greeter, container: greeter-web, port: 8099, scheme: http, check: /, public: true}
images:
  greeter:
    description: What greeters share.
    labels: {net.juniper.node: controller}
    directories: [/var/lib/greeter]
  greeter-web:
    description: Greets on the web.
    base: greeter
    labels: {net.juniper.node: controller}
    templates:
      /etc/greeter/index.html: {source: index.html.j2, mode: "0444"}
    command: [python3, -m, http.server, --bind, "{{ HOST_IP }}", --directory, /etc/greeter, "8099"]
    health: {endpoint: greeting}
containers:
  greeter-web:
    image: greeter-web
    project: greeter
    group: greeter
"""
SITE = """\
site: greeter
release: "2026.2"
registry: localhost:5199
catalogue: own
networks: {management: 198.18.90.0/24, tunnel: 198.18.91.0/24}
nodes:
  one: {roles: [greeter]}
"""


@pytest.fixture
def site(tmp_path):
    """A site whose own folder has one more service."""
    folder = tmp_path / "own" / "greeter"
    folder.mkdir(parents=True)
    (folder / "service.yaml").write_text(SERVICE)
    (folder / "index.html.j2").write_text("{{ GREETING }}\n")
    (tmp_path / "greeter.yaml").write_text(SITE)
    return tmp_path / "greeter.yaml"


def test_a_folder_is_a_service(stackyard, site):
    try:
        stackyard("build", "--site", str(site), "-c", "node", "-c", "greeter", "-c", "greeter-web", timeout=300)
        stackyard("up", "--site", str(site), timeout=120)
        with urllib.request.urlopen("http://127.0.0.1:8099/index.html", timeout=5) as answer:
            assert answer.read() == b"hello from greeter on one\n"
        assert "nothing to do" in str(stackyard("up", "--site", str(site), timeout=60))
    finally:
        stackyard("down", "--volumes", "--site", str(site), timeout=60)
