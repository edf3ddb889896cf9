"""Structures as people bring them: the seed's two forms, short names of subs, images that there are not any more."""

from pathlib import Path

import pytest

from stackyard.catalogue import Catalogue, catalogue_root, load, open_site, sdns
from stackyard.errors import InputError

SEED_2015 = """\
version: contrail-3.0-1
containers:
 nova:
   - api
   - cert
   - compute
   - conductor
   - consoleauth
   - novncproxy
   - scheduler
 config:
   - api
   - schema
 cassandra:
 memcached:
 keystone:
 neutron-server:
"""
SEED_2016 = """\
contrailversion: 3.0
contrailbuild: 1
openstackversion: liberty
commonversion: 1.0
containerpath: /srv/Dockerfiles
repo: localhost:5100
containers:
  openstack:
    openstackbase:
    nova: [api, compute]
    glance: [api, registry]
    keystone:
  contrail:
    control: [control, dns]
    ifmap:
  common:
    mariadb:
    redis:
"""
ROOT = catalogue_root()
FOREIGN = load(ROOT, "2026.2", "ovn").foreign
GONE = list(FOREIGN.images)


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A structure's text -> the catalogue that it selects."""
    monkeypatch.chdir(tmp_path)

    def made(text: str, *, partial: bool = True, sdn: str = "ovn") -> Catalogue:
        Path("s.yaml").write_text(text, encoding="utf-8")
        return load(ROOT, "2026.2", sdn, Path("s.yaml"), partial=partial)

    return made


def test_the_seeds_first_form(read):
    catalogue = read(SEED_2015)
    assert catalogue.structure.version == "contrail-3.0-1"
    assert list(catalogue.images) == [
        "nova", "nova-api", "nova-compute", "nova-conductor", "nova-novncproxy", "nova-scheduler",
        "memcached", "keystone", "neutron", "neutron-server",
    ]  # fmt: skip
    cert, consoleauth, elsewhere = catalogue.notes
    assert cert.startswith("s.yaml:5: nova-cert: gone since Nova 16 (Pike): ")
    assert cert.endswith("nothing takes its place")
    assert consoleauth.startswith("s.yaml:8: nova-consoleauth: gone since Nova 20 (Train): ")
    assert consoleauth.endswith("nova-novncproxy does its work")
    assert elsewhere == "s.yaml:12: config-api, config-schema, cassandra: only with `sdn: opencontrail`"


def test_the_seeds_containers_of_opencontrail_stand_alone(read):
    catalogue = read(SEED_2015, sdn="opencontrail")
    assert list(catalogue.images)[6:9] == ["config-api", "config-schema", "cassandra"]
    assert [note.split(": ")[1] for note in catalogue.notes] == ["nova-cert", "nova-consoleauth"]
    (note,) = read('version: "1"\ncontainers:\n  ovn: [ovn-nb]\n  control: [dns]\n', sdn="opencontrail").notes
    assert note == "s.yaml:3: ovn-nb: only with `sdn: ovn`"


def test_the_seeds_second_form(read):
    catalogue = read(SEED_2016)
    assert catalogue.structure.version == "2026.2"
    assert list(catalogue.images) == ["nova", "nova-api", "nova-compute", "glance", "glance-api", "keystone", "mariadb"]
    told = "\n".join(catalogue.notes)
    first = "s.yaml:1: contrailversion, contrailbuild, openstackversion, commonversion: `version:` is the tag of all"
    for said in (
        first,
        "s.yaml:5: containerpath: ",
        "s.yaml:6: repo: the prefix of the images is `registry:` of the site, or --registry",
        "the release's own tag, 2026.2",
        "openstackbase: gone since Stackyard",
        "s.yaml:11: glance-registry: gone since Glance 21 (Victoria): ",
        "s.yaml:14: control-control, control-dns, redis: only with `sdn: opencontrail`",
        "ifmap: gone since OpenContrail 4: ",
    ):
        assert said in told


def test_a_tag_in_the_second_form_counts(read):
    assert read(f'version: "mine"\n{SEED_2016}').structure.version == "mine"


@pytest.mark.parametrize(
    ("text", "images"),
    [
        ("nova: [api]", ["nova", "nova-api"]),
        ("nova: [nova-api, compute]", ["nova", "nova-api", "nova-compute"]),
        ("neutron: [server]\n  keystone:", ["neutron", "neutron-server", "keystone"]),
        ("glance-api:", ["glance", "glance-api"]),
        ("glance-api:\n  glance:", ["glance", "glance-api"]),
        ("glance:\n  glance-api:", ["glance", "glance-api"]),
        ("one:\n    nova: [api]\n  two:\n    nova: [compute]", ["nova", "nova-api", "nova-compute"]),
    ],
)
def test_short_and_lone_subs_stand_below_their_base(read, text, images):
    catalogue = read(f'version: "1"\ncontainers:\n  {text}\n')
    assert (list(catalogue.images), catalogue.notes) == (images, ())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nova: [api, nova-api]", "s.yaml:3: containers.nova[1]: nova-api is a sub of nova already"),
        ("nova: [apy]", "s.yaml:3: containers.nova[0]: no service has an image `apy`\ndid you mean nova-api?"),
        ("nova: [api]\n  nova-api:", "s.yaml:4: containers.nova[1]: nova-api is a sub of nova already"),
        ("novaa:", "s.yaml:3: containers.novaa: no service has an image `novaa`\ndid you mean nova?"),
        ("keystone: [api]", "containers.keystone[0]: no service has an image `api`"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(read, text, said):
    with pytest.raises(InputError) as caught:
        read(f'version: "1"\ncontainers:\n  {text}\n')
    assert said in f"{caught.value.message}\n{caught.value.hint}"


@pytest.mark.parametrize("tag", ["2026.2+rc 1", ".x", "-x", "a/b", "a:b", "ä", "", "x" * 101])
def test_what_is_no_tag_is_an_error_of_its_line(read, tag):
    with pytest.raises(InputError) as caught:
        read(f'containers:\n  keystone:\nversion: "{tag}"\n')
    assert caught.value.message.startswith(f"s.yaml:3: version: `{tag}` does not fit: a tag has up to 100 letters")


def test_each_image_of_the_past_is_explained_with_its_line(read):
    lines = "".join(f"  {name}:\n" for name in GONE)
    catalogue = read(f'version: "1"\ncontainers:\n  keystone:\n{lines}')
    assert list(catalogue.images) == ["keystone"]
    fates = {FOREIGN.explained(name): name for name in reversed(GONE)}
    assert len(catalogue.notes) == len(fates)
    for why, first in fates.items():
        line = GONE.index(first) + 4
        (note,) = (each for each in catalogue.notes if each.endswith(f": {why}"))
        assert note.startswith(f"s.yaml:{line}: {first}")
    assert all(name in "\n".join(catalogue.notes) for name in GONE)


def test_images_of_the_past_are_not_those_of_today_and_their_work_is_done_by_such():
    images = {name for sdn in sdns(ROOT) for name in load(ROOT, "2026.2", sdn).images}
    assert not set(GONE) & images
    assert {name for gone in FOREIGN.images.values() for name in gone.now} <= images
    assert len(GONE) == len(set(GONE))


def test_a_site_runs_a_structure(good: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(good)
    own = 'version: "mine"\ncontainers:\n  db:\n  app: [api]\n  switch:\n  router:\n'
    Path("own.yaml").write_text(own, encoding="utf-8")
    with Path("site.yaml").open("a", encoding="utf-8") as site:
        site.write("structure: own.yaml\n")
    catalogue = open_site("site.yaml", Path("catalogue"))[1]
    assert catalogue.reference("app-api", "registry.test") == "registry.test/app-api:mine"
    assert list(catalogue.images) == ["db", "app", "app-api", "switch"]


def test_a_structure_that_a_site_cannot_run_is_refused(good: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(good)
    Path("own.yaml").write_text('version: "mine"\ncontainers:\n  db:\n  app:\n', encoding="utf-8")
    with Path("site.yaml").open("a", encoding="utf-8") as site:
        site.write("structure: own.yaml\n")
    with pytest.raises(InputError, match="image `app-api` is not in the structure"):
        open_site("site.yaml", Path("catalogue"))


def test_the_structure_of_a_site_is_there(good: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(good)
    lines = len(Path("site.yaml").read_text(encoding="utf-8").splitlines())
    with Path("site.yaml").open("a", encoding="utf-8") as site:
        site.write("structure: own.yaml\n")
    with pytest.raises(InputError) as caught:
        open_site("site.yaml", Path("catalogue"))
    assert caught.value.message == f"site.yaml:{lines + 1}: structure: there is no file own.yaml"
