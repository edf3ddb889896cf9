"""The controller of a site with OpenContrail whose programs come from packages, those of stand-ins."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from contrail import DATA, FOLDER, Contrail, running
from demo import engine
from served import served
from tool import Tool, run

pytestmark = [pytest.mark.cloud, pytest.mark.full]

SITE = {
    **DATA,
    "site": "packaged",
    "registry": "localhost:5100/packaged",
    "networks": {"management": "198.18.86.0/24", "tunnel": "198.18.87.0/24"},
    "publish": {"offset": 30000},
    "nodes": {"controller": {"roles": ["controller"]}},
}


DISTRIBUTION = {
    "site": "distribution",
    "release": SITE["release"],
    "catalogue": str(FOLDER / "distribution"),
    "networks": SITE["networks"],
    "nodes": SITE["nodes"],
}
RPM = "localhost:5100/rpm-distribution:2026.2"
ANOTHER_KEY = """set -e
gpg --batch --quiet --passphrase '' --quick-generate-key another@example.org rsa3072 sign
gpg --armor --export
"""


@pytest.fixture(scope="module", params=["debian", "rpm"])
def site(
    request: pytest.FixtureRequest, stackyard: Tool, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Contrail]:
    """The site, made from nothing, beside whatever else there is."""
    shelf = tmp_path_factory.mktemp("shelf")
    rpm = request.param == "rpm"
    if rpm:
        file = shelf.with_suffix(".yaml")
        file.write_text(yaml.safe_dump(DISTRIBUTION))
        stackyard("build", "--site", str(file), "--container", "rpm-distribution", timeout=600)
    run(sys.executable, str(FOLDER / "packages.py"), str(shelf), *([RPM] if rpm else []), timeout=600)
    with served(shelf) as url:
        kind = {"image": RPM, "key": str(shelf / "key.asc")} if rpm else {"suite": "./", "unsigned": True}
        packages = {"url": url, **kind}
        data = {**SITE, "sources": {"opensdn": {"packages": packages}}}
        yield from running(stackyard, tmp_path_factory.mktemp("packaged"), data)


def test_everything_is_ready_and_a_second_up_does_nothing(site: Contrail) -> None:
    assert site.lacks() == {}
    assert "nothing to do" in site("up", "--plan").stdout


def test_a_network_of_neutron_is_one_of_the_configuration(site: Contrail) -> None:
    network = site.cloud.network.create_network(name="blue")
    assert network.id in {each["uuid"] for each in site.api.virtual_networks_list()["virtual-networks"]}
    site.cloud.network.delete_network(network)


def test_no_secret_is_in_sight(site: Contrail) -> None:
    ids = engine("ps", "--all", "--quiet", "--filter", "label=stackyard.site=packaged").stdout.split()
    logs = "".join(f"{each.stdout}{each.stderr}" for each in (engine("logs", each) for each in ids))
    seen = engine("inspect", *ids).stdout + logs
    assert [name for name, value in site.secrets.items() if value in seen] == []


def test_a_program_reads_what_stackyard_writes(site: Contrail) -> None:
    told = site.inside("controller", "config-api", "cat", "/etc/contrail/contrail-api.conf").stdout
    assert "log_level = SYS_NOTICE" in told


@pytest.mark.parametrize("container", ["control-dns", "nova-compute"])
def test_packages_with_the_signature_of_another_key_are_refused(site: Contrail, container: str, tmp_path: Path) -> None:
    packages = site.data["sources"]["opensdn"]["packages"]
    if "key" not in packages:
        pytest.skip("Debian packages are signed in tests/engine/test_sources.py")
    key = tmp_path / "another.asc"
    key.write_text(engine("run", "--rm", "--user=0", "--entrypoint=sh", RPM, "-c", ANOTHER_KEY).stdout)
    site.write({**site.data, "sources": {"opensdn": {"packages": {**packages, "key": str(key)}}}})
    outcome = site("build", "--container", container, check=False)
    site.write(site.data)
    assert outcome.code == 1
    assert re.search(rf"\b{container} could not be built|it blocks {container}\b", outcome.stderr)
    assert "GPG check FAILED" in outcome.stderr


def test_what_is_in_no_package_is_refused(site: Contrail) -> None:
    site.write({**site.data, "nodes": {"one": {"roles": ["controller", "vrouter"]}}})
    outcome = site("up", "--plan", check=False)
    site.write(site.data)
    assert outcome.code == 2
    assert "the sources of the site have nothing for vrouter-agent" in outcome.stderr
