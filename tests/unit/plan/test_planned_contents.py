"""What a cloud contains, decided: what the site file leaves out, and what is told to the job that makes it."""

import json
from dataclasses import replace

import pytest

from resolved_sites import FACTS, resolved
from stackyard.model.contents import SecurityGroup
from stackyard.plan.contents import ImageFile, described
from stackyard.plan.resolved import ResolvedContainer, ResolvedSite

JOB = "demo-controller-cloud-contents"
FILES = {"guest": ImageFile("/state/guest/0/image", "0"), "other": ImageFile("/state/images/abc", "abc")}
OTHER = {"url": "https://images.example.org/a.raw", "sha256": "a" * 64, "format": "raw", "properties": {"hw_x": 1}}


def job(site: ResolvedSite) -> ResolvedContainer:
    return site.by_name[JOB]


def told(site: ResolvedSite) -> dict[str, list[dict[str, object]]]:
    made: dict[str, list[dict[str, object]]] = json.loads(job(site).values["CONTENTS"])
    return made


def test_the_demo_has_what_it_takes_to_begin() -> None:
    contents = told(resolved("demo", facts=replace(FACTS, image_files=FILES)))
    assert [each["name"] for each in contents["flavors"]] == ["tiny", "small", "medium", "large"]
    assert [each["name"] for each in contents["images"]] == ["guest"]
    assert contents["users"] == [{"name": "demo", "projects": {"demo": ["member"]}}]


def test_the_external_network_is_the_sites_public_one() -> None:
    public, private = told(resolved("demo"))["networks"]
    assert (public["cidr"], public["gateway"]) == ("198.18.82.0/24", "198.18.82.1")
    assert public["pool"] == {"start": "198.18.82.128", "end": "198.18.82.254"}
    assert (private["gateway"], private["pool"]) == ("10.10.0.1", None)


def test_no_node_has_an_address_that_is_given_away() -> None:
    site = resolved("demo")
    nodes = [each.public for each in site.nodes if each.public]
    assert nodes
    assert all(str(each) < "198.18.82.128" for each in nodes)


def test_the_job_has_the_files_of_images() -> None:
    site = resolved("demo", facts=replace(FACTS, image_files=FILES), contents={"images": {"other": OTHER}})
    mounts = {mount.path: (mount.source, mount.read_only, mount.create) for mount in job(site).mounts}
    assert mounts == {f"/run/images/{each.revision}": (each.path, True, False) for each in FILES.values()}
    guest, other = told(site)["images"]
    assert (guest["file"], guest["format"], guest["visibility"]) == ("/run/images/0", "raw", "public")
    assert (other["file"], other["revision"], other["properties"]) == ("/run/images/abc", "abc", {"hw_x": "1"})


def test_a_site_that_says_nothing_has_no_such_job() -> None:
    assert JOB not in resolved("demo", contents=None).by_name
    assert described(resolved("demo", contents=None).site, FILES) == {}


def test_an_empty_section_has_the_guest() -> None:
    site = resolved("demo", contents={}, facts=replace(FACTS, image_files=FILES))
    assert [each["name"] for each in told(site)["images"]] == ["guest"]


def test_passwords_are_secrets_and_may_be_given() -> None:
    users = {
        "given": {"projects": {"p": ["member"]}, "password": "it's given"},
        "made": {"projects": {"p": ["reader"]}},
    }
    site = resolved("demo", contents={"projects": {"p": {}}, "users": users})
    passwords = {each["user"]: each["password"] for each in json.loads(job(site).secrets["USER_PASSWORDS"].reveal())}
    assert passwords["given"] == "it's given"
    assert passwords["made"].startswith("made-password-")
    assert "it's given" not in json.dumps(dict(job(site).values))


def test_what_groups_let_in_is_told_as_it_is_written() -> None:
    group = {"project": "demo", "allow": ["icmp", "tcp/22 from 192.0.2.0/24"]}
    site = resolved("demo", contents={"projects": {"demo": {}}, "security_groups": {"g": group}})
    assert told(site)["security_groups"] == [{"name": "g", **group}]


@pytest.mark.parametrize("text", ["ssh", "tcp/", "tcp/22,23", "icmp/8", "tcp/22 to 192.0.2.0/24", "TCP/22"])
def test_other_rules_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="allow"):
        SecurityGroup(project="demo", allow=(text,))
