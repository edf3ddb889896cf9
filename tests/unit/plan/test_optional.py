"""Optional services: what a site switches on, the images that its containers run then, and what is registered."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from resolved_sites import FACTS, counted
from stackyard.catalogue import open_site, site_path
from stackyard.cli.build import switched_off
from stackyard.errors import InputError
from stackyard.plan.resolve import resolve
from stackyard.plan.resolved import ResolvedSite
from stackyard.secrets import Secrets, generate, unfit

VOLUMES = {"ceph": True, "cinder": True}
WRITTEN = Callable[..., ResolvedSite]


@pytest.fixture
def written(tmp_path: Path) -> WRITTEN:
    """Resolve the demo with other keys: `written(containers={…})`."""

    def made(**keys: object) -> ResolvedSite:
        file = tmp_path / "demo.yaml"
        file.write_text(yaml.safe_dump({**yaml.safe_load(site_path("demo").read_text()), **keys}))
        return resolve(*reversed(open_site(str(file))), FACTS, counted())

    return made


def images(site: ResolvedSite) -> dict[str, str]:
    return {each.name: each.image.rpartition("/")[2].partition(":")[0] for each in site.containers}


def test_a_service_switches_all_of_its_optional_containers(written: WRITTEN) -> None:
    names = {each.name for each in written(containers=VOLUMES).containers}
    assert {"ceph-mon", "ceph-mgr", "ceph-osd", "ceph-bootstrap"} <= names
    assert {"cinder-api", "cinder-scheduler", "cinder-volume", "cinder-backup", "cinder-bootstrap"} <= names


def test_the_word_for_a_container_counts_more(written: WRITTEN) -> None:
    names = {each.name for each in written(containers={**VOLUMES, "cinder-backup": False}).containers}
    assert "cinder-volume" in names
    assert "cinder-backup" not in names


def test_a_service_without_optional_containers_is_not_switched(written: WRITTEN) -> None:
    with pytest.raises(InputError, match="there is no container `nova`"):
        written(containers={"nova": True})


@pytest.mark.parametrize(("containers", "image"), [({}, "libvirt"), (VOLUMES, "libvirt-rbd")], ids=["off", "on"])
def test_a_container_runs_the_image_that_the_site_needs(
    written: WRITTEN, containers: dict[str, bool], image: str
) -> None:
    site = written(containers=containers)
    assert images(site)["libvirt"] == image
    (libvirt,) = {each.definition.image for each in site.containers if each.name == "libvirt"}
    assert libvirt == image


@pytest.mark.parametrize(
    ("store", "image"), [({}, "glance-api"), ({"STORE": "rbd"}, "glance-api-rbd")], ids=["file", "rbd"]
)
def test_a_container_runs_the_image_that_a_value_needs(written: WRITTEN, store: dict[str, str], image: str) -> None:
    site = written(containers=VOLUMES, services={"glance": {"environment": store}})
    assert images(site)["glance-api"] == image
    (api,) = [each for each in site.containers if each.name == "glance-api"]
    assert api.values.get("STORE") == store.get("STORE")
    assert [each["user"] for each in site.declarations["ceph"]] == ["glance", "nova", "cinder"]


@pytest.mark.parametrize("switched", [{}, VOLUMES], ids=["nothing", "volumes"])
def test_a_value_may_say_what_holds_without_it(written: WRITTEN, switched: dict[str, bool]) -> None:
    """The image for it has no such variable; that for the other value has it as its default."""
    site = written(containers=switched, services={"nova": {"environment": {"DISKS": "file"}}})
    assert images(site)["nova-compute"] == "nova-compute"
    with pytest.raises(InputError, match="nothing of keystone knows"):
        written(containers=switched, services={"keystone": {"environment": {"DISKS": "file"}}})


@pytest.mark.parametrize("switched", [{"ceph": True}, VOLUMES], ids=["no volumes", "volumes"])
def test_a_value_of_one_service_chooses_an_image_of_another(written: WRITTEN, switched: dict[str, bool]) -> None:
    site = written(containers=switched, services={"nova": {"environment": {"DISKS": "rbd"}}})
    assert (images(site)["nova-compute"], images(site)["libvirt"]) == ("nova-compute-rbd", "libvirt-rbd")
    keys = {
        each.name: each.secrets["DISKS_KEY" if each.name == "libvirt" else "CEPH_KEY"].reveal()
        for each in site.containers
        if each.name in {"libvirt", "nova-compute"} and each.node == "compute1"
    }
    assert len(set(keys.values())) == 1


def test_volumes_are_what_the_demo_does_without() -> None:
    site, catalogue = open_site("demo")
    off = switched_off(catalogue, site)
    assert {"libvirt-rbd", "cinder", "ceph", "cinder-volume", "ceph-osd"} <= off
    assert "libvirt" not in off
    site, catalogue = open_site("full")
    on = switched_off(catalogue, site)
    assert not on & {"libvirt", "libvirt-rbd", "cinder", "ceph", "horizon"}


def test_identities_of_images_are_the_same_in_every_site() -> None:
    """An image that one site runs, and another does not, is told the same."""
    from stackyard.catalogue.container import container_json  # noqa: PLC0415

    ours, theirs = (open_site(name)[1] for name in ("demo", "full"))
    assert ours.images.keys() == theirs.images.keys()
    for image in ours.images:
        assert container_json(ours, image) == container_json(theirs, image), image


def test_older_clients_find_a_service_by_its_type_of_old(written: WRITTEN) -> None:
    entries = {each["type"]: each for each in written(containers=VOLUMES).declarations["endpoint"]}
    assert entries["block-storage"]["service"] == "cinder"
    assert entries["volumev3"] == {**entries["block-storage"], "type": "volumev3", "service": "cinderv3"}


def test_without_a_cluster_of_its_own_a_site_has_to_name_one(written: WRITTEN) -> None:
    with pytest.raises(InputError, match="no node of the site runs the container ceph-mon"):
        written(containers={"cinder": True})


def test_another_cluster_is_named_by_its_monitors_and_a_key(written: WRITTEN) -> None:
    key = generate("cephx")
    words = {"CEPH_USER": "cloud", "CEPH_KEY": key, "VOLUME_POOL": "cloud-volumes"}
    site = written(
        containers={"cinder": True},
        settings={"CEPH_MONITORS": "192.0.2.20,192.0.2.21"},
        services={"cinder": {"environment": words}},
    )
    by_name = {each.name: each for each in site.containers}
    volume = by_name["cinder-volume"]
    assert volume.values["CEPH_MONITORS"] == "192.0.2.20,192.0.2.21"
    assert (volume.values["CEPH_USER"], volume.values["VOLUME_POOL"]) == ("cloud", "cloud-volumes")
    assert volume.secrets["CEPH_KEY"].reveal() == by_name["libvirt"].secrets["CEPH_KEY"].reveal() == key


def test_the_user_of_a_cluster_of_the_site_is_the_sites(written: WRITTEN) -> None:
    with pytest.raises(InputError, match="the site makes it by itself and calls it `cinder`"):
        written(containers=VOLUMES, services={"cinder": {"environment": {"CEPH_USER": "other"}}})


def test_a_key_of_another_form_is_refused(written: WRITTEN) -> None:
    with pytest.raises(InputError, match="base64 of 28 bytes"):
        written(containers=VOLUMES, services={"cinder": {"environment": {"CEPH_KEY": "secret"}}})


def test_made_keys_are_those_of_ceph_and_not_the_same_twice() -> None:
    keys = {Secrets().get("a/ceph", "cephx").reveal() for _ in range(3)}
    assert len(keys) == 3
    assert all(len(key) == 40 and key.startswith("AQAAAAAAAAAAABAA") for key in keys)
    assert [unfit("cephx", key) for key in keys] == ["", "", ""]


@pytest.mark.parametrize("key", ["AQAAAAAAAAAAABAA", "not base64!", "AQ==", "A" * 40], ids=str)
def test_what_is_no_key(key: str) -> None:
    assert unfit("cephx", key).startswith("is not a key")
