"""The stack of layers: area, release, SDN, the site's own folder; and what `show` tells of it."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from stackyard import cli
from stackyard.catalogue import Catalogue, catalogue_root, load, open_site
from stackyard.catalogue.origin import lines, places
from stackyard.catalogue.problems import Mark
from stackyard.catalogue.yamlsource import List, Map
from stackyard.images.foundations import Foundation, Foundations
from stackyard.images.parts import ContextFile
from stackyard.images.recipe import recipe

FOUNDATIONS = Foundations(
    {"trixie": Foundation("stackyard-base:trixie-000000000000", {"base.yaml": "base"})},
    ContextFile(b"uv", 0o755, "1.0"),
)
LAYER = """\
extends:
  db:
    user: 2601
    images:
      db: {packages: [-database-server, own-server]}
  app:
    contract:
      OWN: {default: 1, help: Of the site.}
    images:
      app-api:
        contract:
          WORKERS: {default: 9}
      app-own:
        description: One more.
        base: app
        command: [app-own]
    containers:
      app-api: {stop_seconds: 90}
      app-own: {image: app-own, project: app, group: app}
"""
EXTRA = """\
service: extra
title: Extra
user: 2602
images:
  extra:
    description: More.
    python: extra
    templates: {/etc/extra: {source: extra.j2}}
    command: [extra]
"""
FILES = {
    "layer.yaml": LAYER,
    "app/app.conf.j2": "of the site\n",
    "app/blue.conf.j2": "of the site too\n",
    "python/app.txt": "# of the site\n",
    "python/extra.txt": "# of the site\n",
    "extra/service.yaml": EXTRA,
    "extra/extra.j2": "{{ HOST_IP }}\n",
}


@pytest.fixture
def write(good: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes files of the site's own folder, and opens the site."""
    monkeypatch.setenv("STACKYARD_CATALOGUE", str(good / "catalogue"))
    monkeypatch.chdir(good)
    with (good / "site.yaml").open("a") as site:
        site.write("catalogue: own\n")

    def opened(files: dict[str, str]) -> Catalogue:
        for name, text in files.items():
            file = good / "own" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return open_site("site.yaml")[1]

    return opened


def show(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as caught:
        cli.main(["show", "--site", "site.yaml", *words])
    assert caught.value.code == 0
    return capsys.readouterr().out


def test_own_folder_changes_services(write) -> None:
    catalogue = write(FILES)
    service, image = catalogue.image("app-api")
    assert service.contract["OWN"].default == 1
    assert (image.contract["WORKERS"].default, image.contract["WORKERS"].help) == (9, "Processes of the API.")
    assert service.containers["app-api"].stop_seconds == 90
    assert service.containers["app-api"].group == "controller"
    assert catalogue.services["db"].user == 2601
    assert "OWN" in catalogue.known


def test_an_item_is_removed_and_another_added(write) -> None:
    assert write(FILES).image("db")[1].packages == ("own-server",)


def test_own_images_are_part_of_the_structure(write) -> None:
    catalogue = write(FILES)
    assert list(catalogue.images) == ["db", "app", "app-api", "switch", "app-own", "extra"]
    assert set(catalogue.services) == {"db", "app", "switch", "extra"}


def test_another_structure_selects_alone(write, good: Path) -> None:
    own = write(FILES).own
    (good / "own.yaml").write_text('version: "mine"\ncontainers:\n  app:\n')
    catalogue = load(good / "catalogue", "1.0", "blue", good / "own.yaml", own, partial=True)
    assert list(catalogue.images) == ["app"]
    assert catalogue.services["app"].contract["OWN"].default == 1


def test_the_highest_layer_has_the_file(write, good: Path) -> None:
    catalogue = write(FILES)
    own = Path("own")
    assert catalogue.files("app") == {"app.conf.j2": own / "app/app.conf.j2", "blue.conf.j2": own / "app/blue.conf.j2"}
    assert catalogue.lock("app") == own / "python/app.txt"
    assert catalogue.lock("common") == good / "catalogue/releases/1.0/python/common.txt"
    assert catalogue.origin(own / "app/app.conf.j2") == "site/app/app.conf.j2"


def test_a_file_that_another_one_names_is_no_stranger(write) -> None:
    files = {"app/app.conf.j2": "{% include 'part.j2' %}\n", "app/part.j2": "x\n", "README.md": "x\n"}
    assert "part.j2" in write(files).files("app")


def identities(catalogue: Catalogue) -> dict[str, dict[str, str]]:
    made = recipe(catalogue, FOUNDATIONS)
    return {name: dict(made.inputs(name)) for name in catalogue.images}


def test_a_service_that_is_added_changes_no_other_image(write) -> None:
    before = identities(write({"README.md": ""}))
    contract = "contract:\n  EXTRA: {default: 1, help: More.}\n"
    catalogue = write(
        {name: FILES[name] for name in ("python/extra.txt", "extra/extra.j2")}
        | {"extra/service.yaml": EXTRA + contract}
    )
    after = identities(catalogue)
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {"extra"}
    assert "EXTRA" in catalogue.known


def test_one_replaced_template_changes_its_images_alone(write) -> None:
    before = identities(write({"README.md": ""}))
    after = identities(write({"app/blue.conf.j2": "of the site\n"}))
    assert [name for name in before if before[name] != after[name]] == ["app", "app-api"]
    changed = {key for key in {**before["app"], **after["app"]} if before["app"].get(key) != after["app"].get(key)}
    assert changed == {"blue/app/blue.conf.j2", "site/app/blue.conf.j2"}


def test_layers_lie_in_order(write, good: Path) -> None:
    release = good / "catalogue/releases/1.0"
    text = "extends: {{app: {{images: {{app-api: {{packages: [{}]}}}}}}}}\n"
    (release / "layer.yaml").write_text(text.format("of-release"))
    (release / "app").mkdir()
    (release / "app/app.conf.j2").write_text("of the release\n")
    catalogue = write({"layer.yaml": text.format("-of-release, of-site")})
    assert catalogue.image("app-api")[1].packages == ("of-site",)
    assert [folder.name for folder in catalogue.layers] == ["1.0", "blue", "own"]
    assert catalogue.files("app")["app.conf.j2"] == release / "app/app.conf.j2"
    (release / "layer.yaml").unlink()
    with pytest.raises(Exception, match="there is no `of-release` to remove"):
        open_site("site.yaml")


def test_a_second_release_is_data(tmp_path: Path) -> None:
    root = tmp_path / "catalogue"
    shutil.copytree(catalogue_root(), root)
    new = root / "releases/2026.3"
    shutil.copytree(root / "releases/2026.2", new)
    (new / "layer.yaml").write_text(
        "extends:\n"
        "  nova:\n"
        "    contract:\n"
        "      NOVA_NEW: {type: int, default: 5, help: New in this release.}\n"
        "    images:\n"
        "      nova-compute: {packages: [new-package]}\n"
    )
    (new / "nova").mkdir()
    (new / "nova/nova.conf.j2").write_text("{{ NOVA_NEW }}\n")

    old, made = load(root, "2026.2", "ovn"), load(root, "2026.3", "ovn")

    assert list(made.images) == list(old.images)
    assert made.services.keys() == old.services.keys()
    assert [name for name in old.services if old.services[name] != made.services[name]] == ["nova"]
    assert set(made.effective("nova-api").contract) - set(old.effective("nova-api").contract) == {"NOVA_NEW"}
    assert set(made.image("nova-compute")[1].packages) - set(old.image("nova-compute")[1].packages) == {"new-package"}
    assert made.files("nova")["nova.conf.j2"].read_text() == "{{ NOVA_NEW }}\n"
    assert old.files("nova")["nova.conf.j2"].is_relative_to(root / "openstack")


def test_show_is_the_merged_service(write, capsys: pytest.CaptureFixture[str]) -> None:
    catalogue = write(FILES)
    for name in catalogue.services:
        assert yaml.safe_load(show(capsys, name)) == catalogue.written[name]
    assert show(capsys, "app-own") == show(capsys, "app-extra") == show(capsys, "app")


def test_show_tells_what_is_the_sites(write, capsys: pytest.CaptureFixture[str]) -> None:
    write(FILES)
    text = show(capsys, "app")
    summary = text.partition("\nservice: ")[0]
    for each in ("OWN", "default: 9", "app-own", "stop_seconds: 90", "app.conf.j2", "blue.conf.j2", "python/app.txt"):
        assert each in summary
        assert sum("# site: own/" in line and each in line for line in text.splitlines()) >= 2
    assert "# site: own/layer.yaml:12, was `4` in catalogue/openstack/app/service.yaml:37" in summary
    assert "# site: own/app/blue.conf.j2, in place of catalogue/blue/app/blue.conf.j2" in summary
    assert "BLUE_PORT: {type: port, default: 6641, help: Port of Blue.}  # catalogue/blue/sdn.yaml:7" in text
    text = show(capsys, "db")
    assert "# - database-server " in text
    assert "# site: own/layer.yaml:5, removed from catalogue/common/db/service.yaml:11" in text


def test_everything_of_the_own_folder_is_shown(write, capsys: pytest.CaptureFixture[str]) -> None:
    catalogue = write(FILES)
    shown = "".join(show(capsys, name) for name in catalogue.services)
    for name in FILES:
        assert f"# site: own/{name}" in shown
    marks = {mark for name in catalogue.services for _, mark in places(catalogue.written[name])}
    changed = {mark.line for mark in marks if mark.file == Path("own/layer.yaml")}
    assert changed >= {3, 8, 12, 14, 15, 16, 18, 19}


def test_show_for_programs(write, capsys: pytest.CaptureFixture[str]) -> None:
    catalogue = write(FILES)
    data = json.loads(show(capsys, "app", "--output", "json"))
    assert data["merged"] == catalogue.written["app"]
    assert data["from"] == ["catalogue/openstack/app", "catalogue/blue", "own"]
    assert data["files"]["app.conf.j2"] == ["own/app/app.conf.j2", str(catalogue.root / "openstack/app/app.conf.j2")]
    origin = next(each for each in data["origins"] if each["path"] == ["containers", "app-api", "stop_seconds"])
    assert (origin["file"], origin["line"]) == ("own/layer.yaml", 18)


def test_show_lists_services(write, capsys: pytest.CaptureFixture[str]) -> None:
    catalogue = write(FILES)
    rows = show(capsys).splitlines()[1:]
    assert [row.split()[0] for row in rows] == list(catalogue.services)
    assert "catalogue/openstack/app, catalogue/blue, own" in show(capsys)
    assert [each["service"] for each in json.loads(show(capsys, "--output", "json"))] == list(catalogue.services)


def test_show_of_what_is_not_there(write, capsys: pytest.CaptureFixture[str]) -> None:
    write(FILES)
    with pytest.raises(SystemExit):
        cli.main(["show", "app-apy", "--site", "site.yaml"])
    assert "no service, image or container app-apy\nhint: did you mean app-api?" in capsys.readouterr().err


def marked(value: object) -> object:
    """The same data with marks."""
    mark = Mark(Path("x.yaml"), 1)
    made: Map | List = Map(mark)
    if isinstance(value, list):
        made = List(mark)
        for item in value:
            made.put(marked(item), mark)
    elif isinstance(value, dict):
        made = Map(mark)
        for key, item in value.items():
            made.put(key, marked(item), mark)
    else:
        return value
    return made


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(), st.sampled_from(["a\nb\n", "a\n\n b", "- a", "a: b"])
)
KEYS = st.text(st.characters(max_codepoint=0x17F, exclude_categories=["C"]), max_size=30)
DATA = st.dictionaries(
    KEYS,
    st.recursive(SCALARS, lambda each: st.one_of(st.lists(each), st.dictionaries(KEYS, each)), max_leaves=8),
    min_size=1,
)


@settings(deadline=None, max_examples=40)
@given(DATA)
def test_lines_are_yaml(data: dict[str, object]) -> None:
    made = marked(data)
    assert isinstance(made, Map)
    assert yaml.safe_load("".join(f"{line.text}\n" for line in lines(made))) == data
