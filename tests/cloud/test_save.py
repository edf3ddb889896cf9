"""The demo is saved while VMs run, and is another cloud from the file, beside the first: VMs, addresses and all."""

import contextlib
import ipaddress
import json
import shlex
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openstack
import pytest
import yaml

from demo import COMPUTES, EXPORT, Site, failed
from stackyard.catalogue import site_path
from tool import STATE, Tool
from vm import gone
from waiting import NotYet, wait_for

pytestmark = [pytest.mark.cloud, pytest.mark.long]

NAME = "stackyard-test-save"
COPY = "copytest"
UP_SECONDS = 600


@dataclass(frozen=True)
class Copied:
    """The demo with a VM of the user `demo`, and the cloud that it was loaded as."""

    site: Site
    copy: Site
    server: str
    address: str
    """The floating one of the VM."""
    forwarding: str
    before: dict[str, str]
    """Containers of the demo, when its copy was not there yet."""


def answers(address: str) -> None:
    """Probe: its SSH server greets the host."""
    try:
        with socket.create_connection((address, 22), timeout=3) as connection:
            connection.settimeout(3)
            greeting = connection.recv(4)
    except OSError as error:
        raise NotYet(f"{address}: {error}") from error
    if greeting != b"SSH-":
        raise NotYet(f"{address}: {greeting!r}")


def network_of(site: Site) -> ipaddress.IPv4Network:
    path = Path(site.file) if "/" in site.file else site_path(site.file)
    return ipaddress.IPv4Network(yaml.safe_load(path.read_text())["networks"]["public"])


@pytest.fixture(scope="module")
def copied(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copied]:
    folder = tmp_path_factory.mktemp("save")
    copy = Site(site.stackyard)
    with contextlib.ExitStack() as made:
        server, address, forwarding = a_vm(user_of(site), made)
        wait_for("the VM to answer", lambda: answers(address), 120)
        file = folder / "demo.saved"
        site.stackyard("save", str(file), timeout=UP_SECONDS)
        wait_for("the VM to answer again", lambda: answers(address), 120)
        before = site.containers()
        made.callback(shutil.rmtree, STATE / "sites" / COPY, ignore_errors=True)
        loaded = site.stackyard("load", str(file), "--as", COPY, "--folder", str(folder), "--output", "json").json
        copy.file = loaded["reference"]
        made.callback(site.stackyard, "down", "--volumes", "--site", copy.file)
        site.stackyard("up", "--site", copy.file, timeout=UP_SECONDS)
        yield Copied(site, copy, server, address, forwarding, before)


def user_of(site: Site) -> Any:
    """The cloud as its user `demo` sees it."""
    printed = site.stackyard("env", "--user", "demo", "--site", site.file).stdout
    given = {name: "".join(shlex.split(value)) for name, value in EXPORT.findall(printed)}
    names = ("auth_url", "username", "password", "project_name", "user_domain_name", "project_domain_name")
    auth = {name: given[f"OS_{name.upper()}"] for name in names}
    return openstack.connect(auth=auth, region_name=given["OS_REGION_NAME"], load_yaml_config=False, load_envvars=False)


def a_vm(cloud: Any, made: contextlib.ExitStack) -> tuple[str, str, str]:
    """A VM with a floating address, and another that forwards a port: its id, and both."""
    network = cloud.network
    group = network.find_security_group("ping-and-ssh")
    private, public = (network.find_network(name).id for name in ("private", "public"))
    ports = []
    for name in (NAME, f"{NAME}-forwarded"):
        port = network.create_port(network_id=private, security_groups=[group.id], name=name)
        made.callback(network.delete_port, port.id)
        ports.append(port)
    server = cloud.compute.create_server(
        name=NAME,
        image_id=cloud.image.find_image("guest").id,
        flavor_id=cloud.compute.find_flavor("tiny").id,
        networks=[{"port": ports[0].id}],
    )
    made.callback(gone, cloud.compute, server.id)
    floating = network.create_ip(floating_network_id=public, port_id=ports[0].id, description="mine")
    made.callback(network.delete_ip, floating)
    forwarded = network.create_ip(floating_network_id=public)
    made.callback(network.delete_ip, forwarded)
    forwarding = network.create_port_forwarding(
        floatingip_id=forwarded.id,
        internal_port_id=ports[1].id,
        internal_ip_address=ports[1].fixed_ips[0]["ip_address"],
        internal_port=22,
        external_port=2222,
        protocol="tcp",
    )
    made.callback(network.delete_port_forwarding, forwarding, forwarded)
    cloud.compute.wait_for_server(server, wait=180)
    return server.id, floating.floating_ip_address, forwarded.floating_ip_address


def moved(copied: Copied, address: str) -> str:
    """The address with the same place in the range of the copy."""
    old, new = network_of(copied.site), network_of(copied.copy)
    return str(new[int(ipaddress.IPv4Address(address)) - int(old.network_address)])


def test_its_vm_runs_and_answers_at_the_same_place(copied: Copied) -> None:
    cloud = copied.copy.cloud
    assert cloud.compute.get_server(copied.server).status == "ACTIVE"
    address = moved(copied, copied.address)
    (floating,) = cloud.network.ips(floating_ip_address=address)
    assert floating.description == "mine"
    wait_for("the VM to answer", lambda: answers(address), 120)
    old = network_of(copied.site)
    assert not [each for each in cloud.network.ips() if ipaddress.IPv4Address(each.floating_ip_address) in old]


def test_ports_are_forwarded_there_too(copied: Copied) -> None:
    (floating,) = copied.copy.cloud.network.ips(floating_ip_address=moved(copied, copied.forwarding))
    (forwarding,) = copied.copy.cloud.network.port_forwardings(floating)
    assert (forwarding.internal_port, forwarding.external_port, forwarding.protocol) == (22, 2222, "tcp")


@pytest.mark.usefixtures("copied")
def test_its_secrets_are_its_own() -> None:
    ours, theirs = (
        json.loads((STATE / "sites" / name / "secrets.json").read_text())["secrets"] for name in (COPY, "demo")
    )
    assert "keystone/admin" in ours
    assert ours.keys() <= theirs.keys(), "the demo may have some of nodes and users that it had"
    assert [name for name in ours if ours[name] == theirs[name]] == ["keystone/credential"]


def test_both_are_proven(copied: Copied) -> None:
    for site in (copied.site, copied.copy):
        assert failed(site.verify("--site", site.file)) == []


def test_the_first_did_not_notice(copied: Copied) -> None:
    assert copied.site.containers() == copied.before
    answers(copied.address)


def test_a_site_that_goes_down_has_its_vms_back(copied: Copied, stackyard: Tool) -> None:
    """Last in this file: what ran, runs, after it was shut down as by a button."""
    told = stackyard("down", "--site", copied.copy.file)
    assert "shut down" in told.stderr
    stackyard("up", "--site", copied.copy.file, timeout=UP_SECONDS)
    wait_for("the VM to answer", lambda: answers(moved(copied, copied.address)), 120)
    assert copied.copy.cloud.compute.get_server(copied.server).hypervisor_hostname in COMPUTES
