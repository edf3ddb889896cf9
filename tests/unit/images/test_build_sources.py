"""Images from several distributions, published images, Maven and a site's repository: stages, context, identity."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from stackyard.catalogue import Catalogue, load
from stackyard.effects.engine import Engine
from stackyard.errors import InputError
from stackyard.images import order as orders
from stackyard.images.found import Found
from stackyard.images.foundations import Foundations, files_of
from stackyard.images.identity import Identity, decide
from stackyard.images.parts import Recipe
from stackyard.images.published import handed_over
from stackyard.images.recipe import recipe
from stackyard.images.versions import NOTHING_RECORDED, Record, asked, covered, differences
from stackyard.model.site import Repository

FOREIGN = Found(
    "somebody/thing:1",
    "sha256:1",
    "",
    0,
    (),
    {},
    architecture="amd64",
    command=("/run.sh", "{{x}}"),
    variables=("THING_HOME",),
)
SUM = "0" * 64
SERVICE = """\
service: more
title: Images of other sources
user: 2909
images:
  old:
    description: On another distribution.
    distribution: bookworm
    packages: [hello]
    python: app
  thing:
    description: Somebody else's.
    published: {image: somebody/thing, TAG}
    plain_environment: true
  jars:
    description: Java.
    maven: {jars: /opt/jars}
  ours:
    description: Of the site's repository.
    repository: site
    packages: [hello]
"""
Make = Callable[..., Recipe]


@pytest.fixture
def more(root: Path, foundations: Foundations) -> Callable[..., Recipe]:
    """The recipe of the small catalogue with images of every source."""
    folder = root / "area/more"
    folder.mkdir()
    release = root / "releases/1"
    (release / "base.yaml").write_text(
        (release / "base.yaml").read_text()
        + '  bookworm: {suite: bookworm, python: "3.11", packages: [python3, tini]}\n'
    )
    (release / "maven").mkdir()
    (release / "maven/jars.txt").write_text(f"# Two.\na.b:c:1 sha256={SUM}\na.b:c:1:d sha256={SUM}\n")
    structure = (release / "structure.yaml").read_text()

    def make(tag: str = 'tag: "1"', **given: object) -> Recipe:
        (release / "structure.yaml").write_text(f"{structure}  old:\n  thing:\n  jars:\n  ours:\n")
        (folder / "service.yaml").write_text(SERVICE.replace("TAG", tag))
        return recipe(load(root, "1", "plain"), replace(foundations, **given))  # type: ignore[arg-type]

    return make


def why(before: Recipe, now: Recipe) -> dict[str, str]:
    """Image -> why, of those that have to be built."""
    made = [decide(now, image, image, Identity(before.inputs(image)).labels) for image in now.images]
    return {each.image: each.why for each in made if each.build}


def test_images_on_the_first_distribution_are_as_if_there_were_no_other(make: Make, more: Make) -> None:
    alone, several = make().stages, more().stages
    assert {name: several[name].text for name in alone} == {name: stage.text for name, stage in alone.items()}


def test_stages_that_images_share_are_there_once_a_distribution(more: Make) -> None:
    stages = more().stages
    assert stages["shared.lib.bookworm"].source == "stackyard-base:bookworm-000000000000"
    assert stages["old.body"].source == "python.common.bookworm"
    assert "id=stackyard-bookworm-packages@cache@," in stages["old.body"].text
    assert "COPY --from=python.app.bookworm /delta/" in stages["old.body"].text
    assert "COPY --from=shared.app.bookworm " in stages["old"].text
    assert stages["old"].text.count("/opt/venv/bin") == 1


def test_only_the_bases_that_are_needed_are_needed(more: Make) -> None:
    made = more()
    assert made.externals(["bare"]) == {"stackyard-base:trixie-000000000000"}
    assert made.externals(["old"]) == {"stackyard-base:bookworm-000000000000"}
    assert made.externals(["thing"]) == {"stackyard-base:trixie-000000000000", "somebody/thing:1"}


def test_a_published_image_keeps_what_it_is(more: Make) -> None:
    made = more(published={"somebody/thing:1": FOREIGN})
    assert made.stages["thing.body"].source == "somebody/thing:1"
    text = made.stages["thing.body"].text + made.stages["thing"].text
    assert "ENV" not in text
    assert "account" not in text
    assert text.index('RUN ["/opt/stackyard/bin/entrypoint", "help"]') < text.index("USER 2909:2909")
    launcher = made.context["standalone/bin/entrypoint"].content
    assert launcher.startswith(b"#!/opt/stackyard/runtime/bin/python3 -IS\n")  # type: ignore[union-attr]


def test_what_a_published_image_starts_is_handed_over(more: Make) -> None:
    made = more(published={"somebody/thing:1": FOREIGN})
    data = json.loads(made.context["containers/thing/container.json"].content)  # type: ignore[arg-type]
    assert data["command"] == ["/run.sh", "{{ '{' }}{{ '{' }}x}}"]
    assert data["plain_environment"] is True
    assert "THING_HOME" in data["known"]
    assert handed_over({"command": ["own"], "known": []}, FOREIGN)["command"] == ["own"]


def test_a_tag_is_known_by_what_is_below_it_and_a_digest_by_itself(more: Make) -> None:
    moved = replace(FOREIGN, identifier="sha256:2", command=("/other",))
    before, now = more(published={"somebody/thing:1": FOREIGN}), more(published={"somebody/thing:1": moved})
    assert why(before, now) == {"thing": "published somebody/thing changed"}
    by_digest = f'digest: "sha256:{SUM}"'
    reference = f"somebody/thing@sha256:{SUM}"
    assert why(more(by_digest), more(by_digest, published={reference: moved})) == {}
    assert why(before, more(by_digest)) == {"thing": "published somebody/thing changed"}


def test_a_maven_lock_is_an_input_of_its_images(more: Make, root: Path) -> None:
    before = more()
    assert before.stages["maven.jars"].instructions[0].says == "maven/jars.txt: 2 artefacts"
    assert "COPY --from=maven.jars /maven/ /opt/jars/" in before.stages["jars.body"].text
    lock = root / "releases/1/maven/jars.txt"
    lock.write_text(lock.read_text().replace(":c:1 ", ":c:2 "))
    assert why(before, more()) == {"jars": "maven/jars.txt changed"}


def test_a_repository_is_an_input_and_in_no_text(more: Make, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\x99")
    signed = Repository(url="http://192.0.2.1/x", suite="stable", components=("main",), key=tmp_path / "key")
    files = files_of(signed)
    assert files["site.sources"].content == (
        b"Types: deb\nURIs: http://192.0.2.1/x\nSuites: stable\nSigned-By: /mnt/repository/key.gpg\nComponents: main\n"
    )
    assert list(files_of(Repository(url="http://192.0.2.1/x", suite="./", unsigned=True))) == ["site.sources"]
    before = more(repositories={"site": files})
    assert "192.0.2.1" not in before.dockerfile
    now = more(repositories={"site": files_of(signed.model_copy(update={"suite": "testing"}))})
    assert why(before, now) == {"ours": "repository site changed"}


def test_a_repository_that_the_site_has_not_is_asked_for(
    more: Make, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more()
    monkeypatch.setattr(orders, "inspect", lambda _engine, _references: {})
    catalogue = load(root, "1", "plain")
    versions = dict.fromkeys(catalogue.bases, NOTHING_RECORDED)
    assert orders.order(Engine(), catalogue, ["bare"], registry="x", versions=versions).wanted
    with pytest.raises(InputError, match="ours takes packages from the repository site"):
        orders.order(Engine(), catalogue, ["bare", "ours"], registry="x", versions=versions)


# Records of Debian versions


@pytest.fixture
def several(more: Make, root: Path) -> Catalogue:
    """The catalogue with images of every source."""
    more()
    return load(root, "1", "plain")


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("old", {"bookworm": ["install hello"]}),
        ("thing", {"trixie": ["install patchelf"]}),
        ("jars", {"trixie": ["install maven"]}),
        ("ours", {"trixie": []}),
        ("bare", {"trixie": []}),
    ],
)
def test_each_base_is_asked_for_what_is_made_on_it(
    several: Catalogue, image: str, expected: dict[str, list[str]]
) -> None:
    assert asked(several, image) == expected


def test_an_image_is_covered_by_the_records_of_the_bases_that_it_uses(several: Catalogue) -> None:
    records = {"trixie": Record({"libc6": "2"}), "bookworm": Record({"libc6": "1"}, {"install hello": {"hello": "1"}})}
    assert [name for name in ("old", "thing", "jars", "ours", "bare") if covered(records, several, name)] == [
        "old",
        "ours",
        "bare",
    ]
    newer = {**records, "bookworm": records["bookworm"].answered({"install hello": {"hello": "2"}})}
    assert differences(records, newer, several) == ["hello 1 -> 2: old"]


def test_steps_have_the_versions_of_their_base(more: Make, foundations: Foundations) -> None:
    answers = {"install maven": {"maven": "3", "libc6": "2"}, "install patchelf": {"patchelf": "0.18"}}
    records = {
        "trixie": Record({"libc6": "2"}, {**answers, "install hello": {"hello": "3"}}),
        "bookworm": Record({"libc6": "1"}, {"install hello": {"hello": "2"}}),
    }
    bases = {name: replace(each, record=records[name]) for name, each in foundations.bases.items()}
    context = more(bases=bases).context
    assert {name: context[f"packages/{name}/install"].text for name in ("old", "shared.maven", "shared.runtime")} == {
        "old": "hello=2\n",
        "shared.maven": "maven=3\n",
        "shared.runtime": "patchelf=0.18\n",
    }


def test_packages_of_the_sites_repository_are_the_newest(more: Make) -> None:
    made = more()
    assert made.context["packages/ours/install"].text == "hello\n"
    assert made.context["packages/old/install"].text == "not resolved\n"


def test_a_maven_lock_of_the_sites_own_folder_takes_the_place_of_the_releases(
    more: Make, root: Path, foundations: Foundations, tmp_path: Path
) -> None:
    before = more()
    own = tmp_path / "own"
    (own / "maven").mkdir(parents=True)
    (own / "maven/jars.txt").write_text(f"a.b:c:9 sha256={SUM}\n")
    now = recipe(load(root, "1", "plain", own=own), foundations)
    assert why(before, now) == {"jars": "maven/jars.txt changed"}
    (own / "maven/jar.txt").write_text("")
    with pytest.raises(InputError, match="no image has this lock"):
        load(root, "1", "plain", own=own)
