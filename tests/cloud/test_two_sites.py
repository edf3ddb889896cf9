"""The sites `full` and `demo` side by side on one engine: each is made, proven and removed as if it were alone."""

import json
import shlex
from collections.abc import Iterator

import openstack
import pytest

from demo import BUILD_SECONDS, EXPORT, UP_SECONDS, Site, checks, engine, failed
from tool import Tool

pytestmark = [pytest.mark.cloud, pytest.mark.full]

FULL = ("--site", "full")


@pytest.fixture(scope="module")
def both(stackyard: Tool, site: Site) -> Iterator[Tool]:
    """The demo from nothing and the other one at the same time."""
    stackyard("build", *FULL, timeout=BUILD_SECONDS)
    for name in ("demo", "full"):
        stackyard("down", "--volumes", "--site", name, timeout=300)
    processes = [stackyard.start("up", "--site", name) for name in ("demo", "full")]
    ended = [process.wait(2 * UP_SECONDS) for process in processes]
    assert ended == [0, 0]
    assert site.containers()
    yield stackyard
    stackyard("down", "--volumes", *FULL, timeout=300)


def containers(name: str) -> dict[str, str]:
    """Name -> id and start of what runs of a site."""
    ids = engine("ps", "--quiet", "--no-trunc", "--filter", f"label=stackyard.site={name}").stdout.split()
    known = json.loads(engine("inspect", *ids).stdout) if ids else []
    return {one["Name"].lstrip("/"): f"{one['Id']} {one['State']['StartedAt']}" for one in known}


def test_both_are_proven_at_the_same_time(both: Tool) -> None:
    processes = [both.start("verify", "--site", name) for name in ("demo", "full")]
    assert [process.wait(900) for process in processes] == [0, 0]


def test_the_full_one_is_covered_by_checks(both: Tool) -> None:
    proof = both("verify", *FULL, "--output", "json", timeout=600)
    assert failed(proof) == []
    assert {"volume", "pages"} <= checks(proof).keys()


def test_images_are_in_ceph_and_volumes_of_them_are_their_copies(both: Tool) -> None:
    """A volume of an image begins with the image's own blocks."""
    ceph = ("exec", "full-controller-ceph-mon", "rbd", "--pool")
    given = dict(EXPORT.findall(both("env", *FULL).stdout))
    names = ("auth_url", "username", "password", "project_name", "user_domain_name", "project_domain_name")
    auth = {name: "".join(shlex.split(given[f"OS_{name.upper()}"])) for name in names}
    cloud = openstack.connect(auth=auth, load_yaml_config=False, load_envvars=False)
    guest = cloud.image.find_image("guest")
    assert guest.id in engine(*ceph, "images", "ls").stdout
    volume = cloud.block_storage.create_volume(name="stackyard-test-copy", size=1, image_id=guest.id)
    try:
        cloud.block_storage.wait_for_status(volume, "available", failures=["error"], wait=120)
        told = engine(*ceph, "volumes", "info", f"volume-{volume.id}").stdout
        assert f"parent: images/{guest.id}@snap" in told
    finally:
        cloud.block_storage.delete_volume(volume)
        cloud.block_storage.wait_for_delete(volume, wait=120)


def test_a_second_up_does_nothing(both: Tool) -> None:
    assert json.loads(both("up", *FULL, "--output", "json", timeout=UP_SECONDS).stdout)["changed"] is False


def test_one_goes_and_the_other_stays(both: Tool) -> None:
    """Last in this file."""
    before = containers("demo")
    both("down", "--volumes", *FULL, timeout=300)
    assert containers("full") == {}
    assert containers("demo") == before
    assert not engine("network", "ls", "--quiet", "--filter", "name=full-").stdout
    assert not engine("volume", "ls", "--quiet", "--filter", "name=full-").stdout
