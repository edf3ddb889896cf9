"""Programs that the catalogue leaves to the site: published images or packages, from a source that the site names."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from stackyard.catalogue import Catalogue, open_site
from stackyard.errors import InputError
from stackyard.images.foundations import Foundation, Foundations
from stackyard.images.order import check_sources
from stackyard.images.parts import ContextFile
from stackyard.images.recipe import recipe

ROUTER = """
sources:
  vendor: {title: the vendor's programs, prefix: vendor-}
"""
IMAGES = """\
extends:
  switch:
    images:
      switch:
        published: {source: vendor, name: switchd}
        plain_environment: true
  app:
    images:
      app-api:
        copies:
          - {published: {source: vendor, name: plugin}, path: /opt/plugin, to: /opt/venv/plugin}
"""
PACKAGES = """\
extends:
  switch:
    images:
      switch: {packages: [vendor-switch], repository: vendor, command: [switchd]}
  app:
    images:
      app-api: {extract: {vendor-plugin: [opt/plugin]}, repository: vendor}
"""
DIGEST = f"sha256:{'5' * 64}"
FROM_IMAGES = {"images": "registry.example.org/vendor", "tag": "R1"}
FROM_PACKAGES = {"packages": {"url": "http://packages.example.org", "suite": "stable", "unsigned": True}}


@pytest.fixture
def opened(good: Path) -> Callable[..., Catalogue]:
    """The small site with sources."""
    area = good / "catalogue/blue"
    (area / "sdn.yaml").write_text((area / "sdn.yaml").read_text() + ROUTER)
    for kind, text in (("images", IMAGES), ("packages", PACKAGES)):
        folder = area / "sources/vendor" / kind
        folder.mkdir(parents=True)
        (folder / "layer.yaml").write_text(text)
    service = area / "switch/service.yaml"
    service.write_text(service.read_text().replace("    packages: [switch]\n", ""))

    def make(**sources: object) -> Catalogue:
        site = yaml.safe_load((good / "site.yaml").read_text())
        (good / "site.yaml").write_text(yaml.safe_dump({**site, **({"sources": sources} if sources else {})}))
        return open_site(str(good / "site.yaml"), good / "catalogue")[1]

    return make


def test_published_images_of_the_site_have_its_prefix_and_its_tag_or_digest(opened) -> None:
    catalogue = opened(vendor={**FROM_IMAGES, "digests": {"plugin": DIGEST}})
    assert catalogue.published == [
        f"registry.example.org/vendor/vendor-plugin@{DIGEST}",
        "registry.example.org/vendor/vendor-switchd:R1",
    ]
    assert opened(vendor={**FROM_IMAGES, "prefix": "old-"}).published[1].endswith("/old-switchd:R1")
    assert catalogue.effective("switch").plain_environment
    assert catalogue.unnamed("switch") is None


def test_what_is_copied_is_an_input_of_the_image(opened) -> None:
    bases = {"trixie": Foundation("stackyard-base:trixie-000000000000", {"base.yaml": "base"})}
    made = [
        recipe(opened(vendor={**FROM_IMAGES, "tag": tag}), Foundations(bases, ContextFile(b"uv", 0o755, "1.0")))
        for tag in ("R1", "R2")
    ]
    (stage,) = (each for each in made[0].stages if each.startswith("published."))
    assert made[0].stages[stage].source == "registry.example.org/vendor/vendor-plugin:R1"
    copied = [each.text for each in made[0].stages["app-api.body"].instructions]
    assert f'COPY --from={stage} ["/opt/plugin", "/opt/venv/plugin"]' in copied
    assert made[0].externals(["app-api"]) > {made[0].stages[stage].source}
    before, after = (each.inputs("app-api") for each in made)
    name = "published registry.example.org/vendor/vendor-plugin"
    assert before[name] != after[name]
    assert before["packages of app"] == after["packages of app"]


def test_packages_take_the_place_of_published_images(opened) -> None:
    catalogue = opened(vendor=FROM_PACKAGES)
    _, switch = catalogue.image("switch")
    assert (switch.published, switch.packages, switch.repository) == (None, ("vendor-switch",), "vendor")
    assert catalogue.published == []
    assert not catalogue.effective("switch").plain_environment


def test_rpm_packages_are_installed_on_the_distribution_that_they_are_for(opened) -> None:
    catalogue = opened(vendor={"packages": {"url": "http://p.example.org", "image": "rocky:9", "unsigned": True}})
    _, switch = catalogue.image("switch")
    assert (switch.published.reference, switch.packages) == ("rocky:9", ("vendor-switch",))
    assert catalogue.published == ["rocky:9"]
    bases = {"trixie": Foundation("stackyard-base:trixie-000000000000", {"base.yaml": "base"})}
    files = {"vendor": {"site.repo": ContextFile(b"[site]\n")}}
    made = recipe(catalogue, Foundations(bases, ContextFile(b"uv", 0o755, "1.0"), repositories=files))
    (step,) = (each.text for each in made.stages["switch.body"].instructions if "rpm-packages" in each.text)
    assert step.endswith("/mnt/rpm-packages vendor-switch")
    assert made.stages["switch.body"].source == "rocky:9"


def test_what_an_image_extracts_itself_is_of_its_own_distribution(opened, good: Path) -> None:
    """OpenContrail's packages are RPM, and the firmware of nova-compute is Debian's."""
    service = good / "catalogue/openstack/app/service.yaml"
    text = service.read_text()
    assert "  app-api:\n" in text
    service.write_text(text.replace("  app-api:\n", "  app-api:\n    extract: {firmware: [usr/share/firmware]}\n", 1))
    catalogue = opened(vendor={"packages": {"url": "http://p.example.org", "image": "rocky:9", "unsigned": True}})
    _, app = catalogue.image("app-api")
    assert app.extract == {"firmware": ("usr/share/firmware",)}
    assert [each.unpack for each in app.copies] == [{"vendor-plugin": ("opt/plugin",)}]


def test_files_of_rpm_packages_are_put_into_images_of_the_release(opened) -> None:
    catalogue = opened(vendor={"packages": {"url": "http://p.example.org", "image": "rocky:9", "unsigned": True}})
    _, app = catalogue.image("app-api")
    (copied,) = app.copies
    assert (copied.repository, copied.unpack) == ("vendor", {"vendor-plugin": ("opt/plugin",)})
    assert (app.extract, app.repository) == ({}, None)
    bases = {"trixie": Foundation("stackyard-base:trixie-000000000000", {"base.yaml": "base"})}
    files = {"vendor": {"site.repo": ContextFile(b"[site]\n")}}
    made = recipe(catalogue, Foundations(bases, ContextFile(b"uv", 0o755, "1.0"), repositories=files))
    (stage,) = (name for name in made.stages if name.startswith("vendor."))
    assert f'COPY --from={stage} ["/unpacked/", "/"]' in [e.text for e in made.stages["app-api.body"].instructions]
    unpacking = made.stages[stage].instructions[-1].text
    assert unpacking.endswith("/mnt/rpm-packages --unpack vendor-plugin=opt/plugin")


def test_a_site_that_names_no_source_builds_and_runs_what_needs_none(opened) -> None:
    catalogue = opened()
    check_sources(catalogue, ["app", "db"], {})
    with pytest.raises(InputError) as caught:
        check_sources(catalogue, ["db", "switch", "app-api"], {})
    assert caught.value.message == "the site names no source of the vendor's programs, for switch, app-api"
    assert "sources: {vendor: {images: REGISTRY/PATH, tag: TAG}}" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("sources", "told"),
    [
        ({"vendor": {}}, "sources.vendor: names neither images nor packages"),
        ({"vendor": {**FROM_IMAGES, **FROM_PACKAGES}}, "sources.vendor: names both images and packages"),
        ({"vendor": {"images": "r.example.org"}}, "sources.vendor: neither a tag nor a digest of plugin, switchd"),
        ({"vendor": {"images": "http://r.example.org"}}, "sources.vendor.images: it is a URL"),
        ({"vendor": {**FROM_IMAGES, "digests": {"plugim": DIGEST}}}, "digests.plugim: no image is made from plugim"),
        ({"vendor": {**FROM_IMAGES, "digests": {"plugin": "sha256:5"}}}, "sources.vendor.digests.plugin:"),
        ({"vendor": {**FROM_PACKAGES, "tag": "R1"}}, "sources.vendor.tag: is for published images"),
        (
            {"vendor": {"packages": {"url": "http://p.example.org", "suite": "s"}}},
            "sources.vendor.packages: has no key",
        ),
        (
            {"vendor": {"packages": {"url": "http://p.example.org", "unsigned": True}}},
            "sources.vendor.packages: has neither a suite nor an image",
        ),
        (
            {"vendor": {"packages": {"url": "http://p.example.org", "suite": "s", "image": "r:9", "unsigned": True}}},
            "sources.vendor.packages: has both a suite and an image",
        ),
        ({"vendro": FROM_IMAGES}, "sources.vendro: Blue takes nothing from a source vendro"),
    ],
)
def test_bad_sources_are_told_with_their_line(opened, sources: dict[str, object], told: str) -> None:
    with pytest.raises(InputError) as caught:
        opened(**sources)
    assert told in caught.value.message
    assert "site.yaml:" in caught.value.message
