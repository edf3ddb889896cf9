"""What the site file says that the cloud contains is there, follows the file, and leaves alone what people made."""

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openstack
import pytest
import yaml
from openstack.connection import Connection
from openstack.exceptions import ConflictException, ForbiddenException

from demo import EXPORT, Site, engine
from stackyard.catalogue import catalogue_root
from tool import Outcome, run
from waiting import NotYet, wait_for

pytestmark = pytest.mark.cloud

JOB = "cloud-contents"
DEMO = yaml.safe_load((catalogue_root() / "sites/demo.yaml").read_text())
PEOPLE = "of-people"
"""Name of what people make themselves."""
BLANK = bytes(1 << 20)


def of_user(site: Site, user: str = "demo") -> Connection:
    """A connection as a user whom the site file lists."""
    printed = site.stackyard("env", "--site", site.file, "--user", user).stdout
    found = {name.removeprefix("OS_").lower(): value.strip("'") for name, value in EXPORT.findall(printed)}
    keys = ("auth_url", "username", "password", "project_name", "user_domain_name", "project_domain_name")
    auth = {key: found[key] for key in keys}
    return openstack.connect(auth=auth, region_name=found["region_name"], load_yaml_config=False, load_envvars=False)


def names(found: Any) -> list[str]:
    return sorted(each.name for each in found)


def brought_up(site: Site, file: Path, contents: dict[str, Any], *, check: bool = True) -> Outcome:
    """The demo with other contents, up."""
    file.write_text(yaml.safe_dump({**DEMO, "contents": contents}))
    site.file = str(file)
    return site.stackyard("up", "--site", str(file), check=check, timeout=600)


@pytest.fixture
def file(site: Site, tmp_path: Path) -> Iterator[Path]:
    """A place for a site file; afterwards the demo is as it was."""
    yield tmp_path / "demo.yaml"
    site.file = "demo"
    site.stackyard("up", timeout=600)


def changed(**kinds: Any) -> dict[str, Any]:
    """The demo's contents with other kinds; None leaves one out."""
    return {kind: each for kind, each in {**DEMO["contents"], **kinds}.items() if each is not None}


def test_its_user_finds_what_it_takes(site: Site) -> None:
    cloud = of_user(site)
    assert names(cloud.compute.flavors()) == ["large", "medium", "small", "tiny"]
    assert names(cloud.image.images()) == ["guest"]
    assert names(cloud.network.networks()) == ["private", "public"]
    assert names(cloud.network.routers()) == ["router"]
    assert names(cloud.network.security_groups()) == ["default", "ping-and-ssh"]


def test_its_user_is_no_administrator(site: Site) -> None:
    with pytest.raises(ForbiddenException):
        list(of_user(site).compute.hypervisors())


def test_a_second_run_changes_nothing(site: Site) -> None:
    before = described(site)
    engine("start", "--attach", site.container("controller", JOB))
    assert site.log("controller", JOB) == ""
    assert described(site) == before


def described(site: Site) -> dict[str, list[str]]:
    """What there is, with everything that could change."""
    cloud = site.cloud
    kinds = {
        "flavors": cloud.compute.flavors(details=True),
        "images": cloud.image.images(),
        "projects": cloud.identity.projects(),
        "users": cloud.identity.users(),
        "networks": cloud.network.networks(),
        "subnets": cloud.network.subnets(),
        "routers": cloud.network.routers(),
        "groups": cloud.network.security_groups(),
        "rules": cloud.network.security_group_rules(),
    }
    return {kind: sorted(json.dumps(each.to_dict(), sort_keys=True) for each in found) for kind, found in kinds.items()}


def test_it_follows_the_site_file(site: Site, file: Path) -> None:
    """Everything that can change does, and is as it was when the file is."""
    image = file.parent / "blank.raw"
    image.write_bytes(BLANK)
    contents = changed(
        images={"blank": {"file": str(image), "format": "raw", "properties": {"hw_rng_model": "virtio"}}},
        flavors={
            "tiny": {"ram": 256, "properties": {"hw:watchdog_action": "reset"}},
            "huge": {"ram": 4096, "vcpus": 2},
        },
        projects={"demo": {"quotas": {"compute": {"cores": 3}, "network": {"floatingip": 2}}}, "test": {}},
        users={
            "demo": {"projects": {"demo": ["member"], "test": ["reader"]}, "password": "another one"},
            "u": {"projects": {"test": ["member"]}},
        },
        networks={
            "public": {"external": True},
            "private": {"project": "demo", "cidr": "10.10.0.0/24", "dns": ["192.0.2.53"]},
            "lab": {"project": "test", "cidr": "10.20.0.0/24"},
        },
        routers={
            "router": {"project": "demo", "external": "public", "networks": ["private"]},
            "inner": {"project": "test", "networks": ["lab"]},
        },
        security_groups={"default": {"project": "demo", "allow": ["icmp", "tcp/8000-8010 from 192.0.2.0/24"]}},
    )
    before = described(site)
    brought_up(site, file, contents)
    cloud = of_user(site)
    assert site.credentials["OS_USERNAME"] == "admin"
    assert names(cloud.compute.flavors()) == ["huge", "tiny"]
    assert cloud.compute.find_flavor("tiny", get_extra_specs=True).extra_specs == {"hw:watchdog_action": "reset"}
    assert names(cloud.image.images()) == ["blank", "guest"]
    assert cloud.image.download_image(cloud.image.find_image("blank")).content == BLANK
    assert cloud.compute.get_limits().absolute.total_cores == 3
    assert cloud.network.get_quota(cloud.current_project_id).floating_ips == 2
    assert names(cloud.network.security_groups()) == ["default"]
    rules = {
        (each.protocol, each.port_range_min, each.remote_ip_prefix) for each in cloud.network.security_group_rules()
    }
    assert {("icmp", None, "0.0.0.0/0"), ("tcp", 8000, "192.0.2.0/24")} <= rules
    assert next(iter(cloud.network.subnets(name="private"))).dns_nameservers == ["192.0.2.53"]
    assert names(of_user(site, "u").network.routers()) == ["inner"]

    site.file = "demo"
    site.stackyard("up", timeout=600)
    assert of_user(site).compute.get_limits().absolute.total_cores == 20
    assert named(described(site)) == named(before)


def named(found: dict[str, list[str]]) -> dict[str, list[str]]:
    """Kind -> names, as often as there are objects."""
    return {kind: sorted(str(json.loads(text).get("name")) for text in each) for kind, each in found.items()}


@pytest.mark.full
def test_what_people_made_stays(site: Site, file: Path) -> None:
    """Also when it has a name that the file lists, and when the file lists it no more."""
    admin, user = site.cloud, of_user(site)
    flavor = admin.compute.create_flavor(name=PEOPLE, ram=64, vcpus=1, disk=0)
    network = user.network.create_network(name=PEOPLE)
    group = user.network.create_security_group(name=PEOPLE)
    try:
        listed = changed(
            flavors={**DEMO["contents"]["flavors"], PEOPLE: {"ram": 512}},
            networks={**DEMO["contents"]["networks"], PEOPLE: {"project": "demo", "cidr": "10.30.0.0/24"}},
        )
        brought_up(site, file, listed)
        for what in (f"flavor {PEOPLE}", f"network {PEOPLE}"):
            assert f"note: {what} is not from the site file, and stays as it is" in site.log("controller", JOB)
        brought_up(site, file, changed())
        assert admin.compute.get_flavor(flavor.id).ram == 64
        assert user.network.get_network(network.id).subnet_ids == []
        assert user.network.get_security_group(group.id).name == PEOPLE
    finally:
        admin.compute.delete_flavor(flavor.id)
        user.network.delete_network(network.id)
        user.network.delete_security_group(group.id)


@pytest.mark.full
def test_what_is_in_use_stays_and_is_told(site: Site, file: Path) -> None:
    user = of_user(site)
    private = user.network.find_network("private")
    port = user.network.create_port(network_id=private.id, name=PEOPLE)
    try:
        routers = {"router": {"project": "demo", "external": "public"}}
        done = brought_up(site, file, changed(networks={"public": {"external": True}}, routers=routers))
        assert done.code == 0
        assert user.network.get_network(private.id).name == "private"
        assert "note: network private is not in the site file any more, and stays:" in site.log("controller", JOB)
    finally:
        user.network.delete_port(port.id)


@pytest.mark.full
def test_what_an_api_refuses_is_told_by_up(site: Site, file: Path) -> None:
    """And nothing is removed for it."""
    wrong = changed(projects={"demo": {"quotas": {"compute": {"coers": 3}}}}, security_groups=None)
    done = brought_up(site, file, wrong, check=False)
    assert done.code == 1
    assert "quotas of project demo: compute does not count coers" in done.stderr
    assert names(of_user(site).network.security_groups()) == ["default", "ping-and-ssh"]


def test_a_url_that_does_not_answer_touches_nothing(site: Site, file: Path) -> None:
    before, began = site.containers(), time.monotonic()
    images = {"far": {"url": "http://127.0.0.1:9/image.raw", "sha256": "0" * 64}}
    done = brought_up(site, file, changed(images=images), check=False)
    assert done.code == 2
    assert "image far: http://127.0.0.1:9/image.raw does not answer: Connection refused" in done.stderr
    assert site.containers() == before
    assert time.monotonic() - began < 60


def test_the_names_of_both_kinds_of_credentials(site: Site) -> None:
    clouds = yaml.safe_load(site.stackyard("env", "--clouds-yaml").stdout)["clouds"]
    assert sorted(clouds) == ["demo", "demo-demo"]
    assert of_user(site).current_project.name == "demo"
    with pytest.raises(ConflictException):
        site.cloud.identity.create_user(name="demo", domain_id="default")


def test_its_user_logs_in_to_a_vm_from_outside(site: Site, tmp_path: Path) -> None:
    """With nothing prepared but a key."""
    cloud, key = of_user(site), tmp_path / "key"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    with contextlib.ExitStack() as made:
        pair = cloud.compute.create_keypair(name=PEOPLE, public_key=key.with_suffix(".pub").read_text())
        made.callback(cloud.compute.delete_keypair, pair)
        server = cloud.create_server(
            name="first",
            image="guest",
            flavor="tiny",
            network="private",
            key_name=PEOPLE,
            security_groups=["ping-and-ssh"],
            wait=True,
            auto_ip=False,
        )
        made.callback(cloud.delete_server, server.id, wait=True)
        port = next(iter(cloud.network.ports(device_id=server.id)))
        public = cloud.network.find_network("public", ignore_missing=False)
        address = cloud.network.create_ip(floating_network_id=public.id, port_id=port.id)
        made.callback(cloud.network.delete_ip, address)
        where = f"root@{address.floating_ip_address}"
        options = [
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            f"UserKnownHostsFile={tmp_path}/known",
            "-o",
            "BatchMode=yes",
        ]

        def logged_in() -> str:
            done = run("ssh", "-i", str(key), *options, "-o", "ConnectTimeout=3", where, "hostname; uname", check=False)
            if done.code:
                raise NotYet(done.stderr.strip())
            return done.stdout

        assert wait_for("ssh to the floating address", logged_in, 120) == "first\nLinux\n"
        other = [*options, "-o", "ConnectTimeout=3", "-o", "IdentityFile=/dev/null", where, "true"]
        assert "Permission denied" in run("ssh", *other, check=False).stderr
