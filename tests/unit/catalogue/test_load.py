"""What a catalogue says when there is nothing wrong with it."""

import json
from pathlib import Path

import pytest

from stackyard.catalogue import load, load_site, load_structure, open_site, site_path
from stackyard.catalogue.container import container_json
from stackyard.errors import InputError


def test_images_in_order_of_structure_without_other_sdns(good: Path) -> None:
    catalogue = load(good / "catalogue", "1.0", "blue")
    assert list(catalogue.images) == ["db", "app", "app-api", "switch"]
    assert list(load(good / "catalogue", "1.0", "red").images) == ["db", "app", "app-api", "router"]
    assert set(catalogue.services) == {"db", "app", "switch"}


def test_known_are_variables_of_all_sdns_and_of_old(good: Path) -> None:
    known = load(good / "catalogue", "1.0", "blue").known
    assert {"BLUE_PORT", "RED_PORT", "ROUTER_MODE", "OLD_NAME"} <= set(known)
    assert list(known) == sorted(known)


def test_extension_is_laid_over_the_service(good: Path) -> None:
    service, image = load(good / "catalogue", "1.0", "blue").image("app-api")
    assert list(service.templates) == ["/etc/app/app.conf", "/etc/app/blue.conf"]
    assert image.command == ("app-api", "--blue")
    assert [wait.container for wait in image.wait_for] == ["app-extra", "switch"]
    assert load(good / "catalogue", "1.0", "red").image("app-api")[1].command == ("app-api",)


def test_fragment_names_its_service_and_gives_way_to_it(good: Path) -> None:
    contract = load(good / "catalogue", "1.0", "blue").effective("app").contract
    assert contract["DATABASE_PASSWORD"].secret == "app/database"  # noqa: S105 - its name
    assert contract["DATABASE_USER"].default == "appuser"
    assert contract["DATABASE_USER"].help == "User of the database."


def test_effective_is_service_then_image_without_its_base(good: Path) -> None:
    runtime = load(good / "catalogue", "1.0", "blue").effective("app-api")
    assert [wait.container for wait in runtime.wait_for] == ["db", "app-extra", "switch"]
    assert runtime.contract["WORKERS"].default == 4
    assert runtime.command == ("app-api", "--blue")
    assert runtime.health is None


def test_folders_end_with_the_extension(good: Path) -> None:
    root = good / "catalogue"
    folders = load(root, "1.0", "blue").folders
    assert folders["app"] == (root / "openstack/app", root / "blue/app")
    assert folders["switch"] == (root / "blue/switch",)


def test_container_json(good: Path) -> None:
    data = container_json(load(good / "catalogue", "1.0", "blue"), "app-api")
    assert json.loads(json.dumps(data)) == data
    assert data["version"] == 2
    assert (data["image"], data["service"], data["release"]) == ("app-api", "app", "1.0")
    assert data["health"] is None
    assert data["wait_for"][0] == {"name": "db", "deadline": 300, "when": None, "probe": {"file": "/run/node"}}
    assert data["endpoints"]["api"]["variables"] == {"hosts": "HOST_IP"}
    assert data["endpoints"]["database"]["variables"] == {"hosts": "DATABASE_SERVER"}
    assert data["contract"]["WORKERS"]["type"] == "int"
    assert data["removed"] == {"OLD_NAME": "it is LOG_LEVEL now"}


def test_adding_a_service_is_adding_a_folder(good: Path) -> None:
    folder = good / "catalogue" / "openstack" / "extra"
    folder.mkdir()
    (folder / "service.yaml").write_text(
        "service: extra\ntitle: Extra\nuser: 2600\nimages:\n  extra: {description: More., command: [extra]}\n"
    )
    with (good / "catalogue/releases/1.0/structure.yaml").open("a") as structure:
        structure.write("  extra:\n")
    assert load(good / "catalogue", "1.0", "blue").effective("extra").command == ("extra",)


def test_other_structure_selects(good: Path) -> None:
    own = good / "own.yaml"
    own.write_text('version: "mine"\ncontainers:\n  app:\n')
    catalogue = load(good / "catalogue", "1.0", "blue", own, partial=True)
    assert list(catalogue.images) == ["app"]
    assert catalogue.structure == load_structure(own)


@pytest.mark.parametrize(("release", "sdn"), [("9.9", "blue"), ("1.0", "green")])
def test_unknown_release_or_sdn(good: Path, release: str, sdn: str) -> None:
    with pytest.raises(InputError, match="there is no") as caught:
        load(good / "catalogue", release, sdn)
    assert "1.0" in caught.value.hint or "blue, red" in caught.value.hint


def test_image_that_is_not_in_the_structure(good: Path) -> None:
    with pytest.raises(InputError, match="app-apy is not in the structure") as caught:
        load(good / "catalogue", "1.0", "blue").image("app-apy")
    assert caught.value.hint == "did you mean app-api?"


def test_site_by_name_and_by_file(good: Path) -> None:
    root = good / "catalogue"
    by_name, catalogue = open_site("small", root)
    assert by_name == open_site(str(good / "site.yaml"), root)[0] == load_site(good / "site.yaml", root)
    assert catalogue.sdn == by_name.sdn
    with pytest.raises(InputError, match="there is no site smal") as caught:
        site_path("smal", root)
    assert caught.value.hint == "did you mean small?"


def test_keys_are_text_as_written(good: Path) -> None:
    file = good / "structure.yaml"
    file.write_text("version: &v '1'\ncontainers: {on: [2026.10, no]}\n")
    with pytest.raises(InputError) as caught:
        load_structure(file)
    assert "containers.on[0]: must be text, and `2026.10` is a number" in caught.value.message


def test_merge_keys_and_anchors(good: Path) -> None:
    path = good / "site.yaml"
    text = path.read_text().replace("  two:\n    roles: [compute]\n", "  two:\n    <<: {roles: [compute]}\n")
    path.write_text(text)
    assert load_site(path, good / "catalogue").nodes["two"].roles == ("compute",)
