"""OpenSDN's programs from packages: what Stackyard writes has all that upstream's own start scripts would write."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from stackyard.catalogue import catalogue_root, load
from stackyard.catalogue.container import container_json
from stackyard.entrypoint.container import Container
from stackyard.entrypoint.contract import read_environment
from stackyard.entrypoint.files import render
from stackyard.entrypoint.session import Session
from stackyard.model.site import Packages, Source
from tool import ROOT, Tool

SOURCE = Source(packages=Packages(url="http://192.0.2.1/", suite="./", unsigned=True))
PACKAGED = load(catalogue_root(), "2026.2", "opencontrail", sources={"opensdn": SOURCE})
UPSTREAM = yaml.safe_load((ROOT / "tests/opensdn/images.yaml").read_text())["images"]
ROWS = {row["program"]: row for row in UPSTREAM.values() if "program" in row}
PROGRAMS = {
    image: row
    for service in ("config", "control", "analytics", "webui")
    for image in PACKAGED.services[service].images
    for row in [next((ROWS[word] for word in PACKAGED.effective(image).command if word in ROWS), None)]
    if row and image not in {"config-dnsmasq", "control-named"}
}
BY_ITSELF = {"[DEFAULT] hostname", "[DEFAULTS] hostname"}
"""What upstream's scripts find out as the programs themselves do."""
GIVEN = {
    "HOST_IP": "192.0.2.18",
    "CONTROLLER_NODES": "192.0.2.18,192.0.2.19",
    "KEYSTONE_AUTH_HOST": "192.0.2.15",
    "KEYSTONE_AUTH_ADMIN_PASSWORD": "kspw",
    "RABBITMQ_PASSWORD": "rpw",
    "CASSANDRA_PASSWORD": "cpw",
    "REDIS_SERVER_PASSWORD": "redispw",
    "RNDC_SECRET": "abcd",
}


def keys(text: str) -> set[str]:
    """Return "[SECTION] key" of an INI file, or the keys of a script's `config.key = value;`."""
    found, section = set(), ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = f"{line} "
        elif match := re.match(r"([\w.]+) *=", line):
            found.add(f"{section}{match[1]}")
    return found


def files(image: str) -> dict[str, str]:
    """Path -> text of what its entrypoint writes."""
    data = container_json(PACKAGED, image)
    given = {name: value for name, value in GIVEN.items() if name in data["contract"]}
    outcome = read_environment(data["contract"], given, str)
    assert not outcome.errors
    session = Session(Container(data, ""), outcome.values, "")
    folders = PACKAGED.template_folders(PACKAGED.find(image)[0].service)
    made, problems = render(data["templates"], session.context, folders)
    assert problems == []
    return {target: content for target, content, _ in made}


@pytest.mark.parametrize("image", PROGRAMS)
def test_every_key_that_upstream_writes_is_written(image: str) -> None:
    made = files(image)
    upstream: set[str] = set()
    for file in PROGRAMS[image]["files"]:
        upstream |= keys(re.sub(r"\$\{\w+\}", "", file["text"]))
    assert upstream - BY_ITSELF - set().union(*map(keys, made.values())) == set()


def test_lists_are_written_as_the_programs_read_them() -> None:
    api = files("config-api")
    assert "cassandra_server_list = 192.0.2.18:9041 192.0.2.19:9041\n" in api["/etc/contrail/contrail-api.conf"]
    assert "zk_server_ip = 192.0.2.18:2181,192.0.2.19:2181\n" in api["/etc/contrail/contrail-api.conf"]
    assert "WEB_SERVER = 192.0.2.18,192.0.2.19\n" in api["/etc/contrail/vnc_api_lib.ini"]
    assert (
        "config.cnfg.server_ip = ['192.0.2.18', '192.0.2.19'];"
        in files("webui-server")["/etc/contrail/config.global.js"]
    )


def test_control_named_knows_no_password() -> None:
    assert not {"KEYSTONE_AUTH_ADMIN_PASSWORD", "RABBITMQ_PASSWORD", "CASSANDRA_PASSWORD"} & {
        *PACKAGED.effective("control-named").contract
    }


@pytest.mark.parametrize("sources", [{"opensdn": SOURCE}, {}], ids=["packages", "images"])
@pytest.mark.parametrize("password", ["100%(x)s", "a#b", "a;b", "p@ss:w/d", "a b", "a$b", "pässword", '"'])
def test_passwords_that_not_all_readers_take_are_refused(sources: dict[str, Source], password: str) -> None:
    catalogue = load(catalogue_root(), "2026.2", "opencontrail", sources=sources)
    names = ("CASSANDRA_PASSWORD", "RABBITMQ_PASSWORD", "KEYSTONE_AUTH_ADMIN_PASSWORD")
    contract = container_json(catalogue, "config-api")["contract"]
    problems = read_environment(contract, {**GIVEN, **dict.fromkeys(names, password)}, str).errors
    assert {each.variable for each in problems} >= {*names}
    assert not any(f"{password!r}" in each.text for each in problems)


def test_what_is_in_no_package_is_not_built() -> None:
    there: dict[str, Any] = PACKAGED.images
    assert there.keys() - set(PACKAGED.buildable) == {"vrouter-agent", "vrouter-agent-dpdk"}
    lack = PACKAGED.unnamed("vrouter-agent")
    assert lack
    assert lack[0] == "the sources of the site have nothing for vrouter-agent"
    assert PACKAGED.unnamed("config-api") is None


def test_a_service_of_ones_own_needs_no_source(tmp_path: Path) -> None:
    (tmp_path / "greeter").mkdir()
    (tmp_path / "greeter/service.yaml").write_text(
        "service: greeter\ntitle: Greeter\nuser: 2499\nlabels: {net.juniper.openstack: greeter}\n"
        "images:\n  greeter:\n    description: Greets.\n    labels: {net.juniper.node: controller}\n"
        "    directories: [/var/lib/greeter]\n"
    )
    catalogue = load(catalogue_root(), "2026.2", "opencontrail", own=tmp_path, sources={"opensdn": SOURCE})
    assert "greeter" in catalogue.buildable
    assert catalogue.unnamed("greeter") is None


def test_packages_leave_nothing_to_mirror(stackyard: Tool, tmp_path: Path) -> None:
    site = {
        "site": "lab",
        "release": "2026.2",
        "sdn": "opencontrail",
        "encapsulation": "vxlan",
        "networks": {"management": "198.18.86.0/24", "tunnel": "198.18.87.0/24"},
        "sources": {"opensdn": {"packages": {"url": "http://192.0.2.1/", "suite": "./", "unsigned": True}}},
        "nodes": {"controller": {"roles": ["controller"]}},
    }
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(site))
    outcome = stackyard("mirror", "--site", str(tmp_path / "site.yaml"))
    assert "nothing to do: the site takes nothing from published images" in outcome.stdout
