"""Two SDNs beside one OpenStack: each has its own in the shared services, and nothing of the other."""

import json
from pathlib import Path

import pytest
from oslo_config import cfg

from resolved_sites import FACTS, counted
from stackyard.catalogue import Catalogue, catalogue_root, load, open_site
from stackyard.catalogue.container import container_json
from stackyard.entrypoint.container import Container
from stackyard.entrypoint.contract import read_environment
from stackyard.entrypoint.files import render
from stackyard.entrypoint.session import Session
from stackyard.images.foundations import Foundation, Foundations
from stackyard.images.identity import Identity
from stackyard.images.parts import ContextFile, Recipe
from stackyard.images.recipe import recipe
from stackyard.plan.resolve import resolve

ROOT = catalogue_root()
OVN, OPENCONTRAIL = (load(ROOT, "2026.2", sdn) for sdn in ("ovn", "opencontrail"))
SHARED = ("neutron", "nova", "libvirt")
"""Services of which SDNs change images."""
WORDS = {"opencontrail": ("ovn", "openvswitch", "ovsdb", "ml2"), "ovn": ("contrail", "opensdn", "vrouter")}
"""What is the other's."""
SITE = """\
site: oc
release: "2026.2"
sdn: opencontrail
encapsulation: mplsoudp
networks: {management: 192.0.2.0/24, tunnel: 198.51.100.0/24}
sources: {opensdn: {images: registry.example.org/opensdn, tag: R25.1}}
nodes:
  one: {roles: [common, database, config, analytics, nova, neutron, glance], management: 192.0.2.21}
  two: {roles: [control], management: 192.0.2.22, tunnel: 198.51.100.99}
"""


def made(catalogue: Catalogue) -> Recipe:
    """How its images are made."""
    bases = {name: Foundation("base", {}) for name in catalogue.bases}
    return recipe(catalogue, Foundations(bases, ContextFile(b"uv", 0o755)))


def rendered(image: str, folder: Path, **given: str) -> dict[str, Path]:
    """Write the files of an image in a site with OpenContrail."""
    data = container_json(OPENCONTRAIL, image)
    examples = {"host": "192.0.2.10", "hosts": "192.0.2.10"}
    env = {
        name: each["example"] or examples.get(each["type"], "example")
        for name, each in data["contract"].items()
        if each["required"]
    }
    outcome = read_environment(data["contract"], env | given)
    assert outcome.errors == ()
    folders = OPENCONTRAIL.template_folders(data["service"])
    files, problems = render(data["templates"], Session(Container(data, ""), outcome.values, "").context, folders)
    assert problems == []
    written = {}
    for target, content, _ in files:
        written[Path(target).name] = folder / Path(target).name
        written[Path(target).name].write_text(content)
    return written


def test_images_of_one_name_are_the_same_with_both() -> None:
    """So both can be kept side by side: what differs has the SDN in its tag."""
    identities = [
        {
            catalogue.reference(image, ""): Identity(images.inputs(image)).value
            for images in [made(catalogue)]
            for image in images.images
        }
        for catalogue in (OVN, OPENCONTRAIL)
    ]
    both = identities[0].keys() & identities[1].keys()
    assert {"mariadb:2026.2", "nova:2026.2", "nova-api:2026.2", "keystone:2026.2"} <= both
    assert not any(name.startswith(("neutron", "libvirt", "nova-compute")) for name in both)
    assert {name for name in both if identities[0][name] != identities[1][name]} == set()


@pytest.mark.parametrize("catalogue", [OVN, OPENCONTRAIL], ids=lambda each: each.sdn)
def test_nothing_of_the_other_sdn_is_in_a_shared_service(catalogue: Catalogue) -> None:
    texts = []
    for name in SHARED:
        service = catalogue.services[name]
        texts.append(json.dumps([each.model_dump(mode="json") for each in service.containers.values()]))
        for image in service.images:
            runtime = catalogue.effective(image)
            texts.append(service.images[image].model_dump_json(exclude={"labels"}))
            texts.append(runtime.model_dump_json(exclude={"contract"}))
            sources = {each.source for each in runtime.templates.values()}
            texts += [catalogue.files(name)[each].read_text() for each in sources if each in catalogue.files(name)]
    found = [word for word in WORDS[catalogue.sdn] for text in texts if word in text.lower().replace("novn", "")]
    assert found == []


def test_neutron_uses_the_plugin(tmp_path: Path) -> None:
    """Read as Neutron does: neutron.conf, and the plugin's file after it."""
    files = rendered("neutron-server", tmp_path, CONFIG_NODES="192.0.2.10,192.0.2.11", CONFIG_API_PORT="9082")
    names = OPENCONTRAIL.effective("neutron-server").environment["OS_NEUTRON_CONFIG_FILES"].split(";")
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[str(files[name]) for name in names], use_env=False)
    options = {
        "DEFAULT": ["core_plugin", "service_plugins", "api_extensions_path"],
        "APISERVER": ["api_server_ip", "api_server_port"],
        "COLLECTOR": ["analytics_api_ip"],
        "QUOTAS": ["quota_driver", "quota_port"],
        "oslo_policy": ["enforce_new_defaults", "enforce_scope"],
        "keystone_authtoken": ["auth_type", "username", "service_token_roles_required"],
    }
    read = {}
    for group, found in options.items():
        for option in found:
            conf.register_opt(cfg.StrOpt(option), group=None if group == "DEFAULT" else group)
            read[option] = conf[option] if group == "DEFAULT" else conf[group][option]
    plugin = "neutron_plugin_contrail.plugins.opencontrail"
    assert read == {
        "core_plugin": f"{plugin}.contrail_plugin.NeutronPluginContrailCoreV2",
        "service_plugins": "contrail-tags,contrail-timestamp",
        "api_extensions_path": "/opt/venv/lib/python3.13/site-packages/neutron_plugin_contrail/extensions",
        "api_server_ip": "192.0.2.10 192.0.2.11",
        "api_server_port": "9082",
        "analytics_api_ip": None,
        "quota_driver": f"{plugin}.quota.driver.QuotaDriver",
        "quota_port": "-1",
        "enforce_new_defaults": "false",
        "enforce_scope": "false",
        "auth_type": "password",
        "username": "neutron",
        "service_token_roles_required": "true",
    }


def test_the_packages_of_neutron_below_the_plugin_are_those_of_the_release() -> None:
    """The plugin's own packages lie over them, in the one image that runs it."""
    assert OPENCONTRAIL.images["neutron"][1].locks == OVN.images["neutron"][1].locks == ("neutron",)
    assert OPENCONTRAIL.images["neutron-server"][1].locks == ("neutron-opencontrail",)
    assert "keystonemiddleware==12.0.0 " in OPENCONTRAIL.lock("neutron-opencontrail").read_text()
    assert "keystonemiddleware==13." in OPENCONTRAIL.lock("common").read_text()
    names = [each.published.name for _, image in OPENCONTRAIL.images.values() for each in image.copies]
    assert set(names) == {"openstack-neutron-init", "openstack-compute-init"}


def test_the_provisioner_is_told_of_the_site(tmp_path: Path) -> None:
    (tmp_path / "oc.yaml").write_text(SITE)
    site, catalogue = open_site(str(tmp_path / "oc.yaml"))
    found = {each.key: each for each in resolve(catalogue, site, FACTS, counted()).containers}
    job = found["one/provisioner"]
    (one, two) = (
        {"name": "one", "management": "192.0.2.21", "tunnel": "198.51.100.21"},
        {"name": "two", "management": "192.0.2.22", "tunnel": "198.51.100.99"},
    )
    secrets = {name: each.reveal() for name, each in job.secrets.items()}
    told = json.loads(rendered("provisioner", tmp_path, **job.values, **secrets)["site.json"].read_text())
    keys = ("name", "management", "tunnel")
    nodes = {each["kind"]: [{key: node[key] for key in keys} for node in each["nodes"]] for each in told["nodes"]}
    assert {kind: each for kind, each in nodes.items() if each} == {
        "bgp-router": [two],
        "config-node": [one],
        "config-database-node": [one],
        "analytics-node": [one],
    }
    assert told["encapsulations"] == ["MPLSoUDP", "VXLAN", "MPLSoGRE"]
    assert told["bgp"] == {"asn": 64512, "auto_mesh": True, "port": 179}
    assert told["linklocal"] == {
        "name": "metadata",
        "address": "169.254.169.254",
        "port": 80,
        "hosts": ["192.0.2.21"],
        "hosts_port": 8775,
    }
    assert told["api"] == {"hosts": ["192.0.2.21"], "port": 8082}
    assert told["auth"] | {"password": ""} == {
        "protocol": "http",
        "host": "192.0.2.21",
        "port": 5000,
        "user": "opencontrail",
        "password": "",
        "project": "service",
        "domain": "Default",
    }
    assert told["auth"]["password"] == found["one/config-api"].secrets["KEYSTONE_AUTH_ADMIN_PASSWORD"].reveal()
