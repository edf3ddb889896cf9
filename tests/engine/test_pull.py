"""A second engine, in a container, runs a site without building anything: all its images are pulled."""

from collections.abc import Iterator

import pytest

from second import Second, second_engine

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Second]:
    with second_engine(tmp_path_factory.mktemp("second")) as made:
        yield made


@pytest.fixture(scope="module")
def pushed(second: Second) -> dict[str, str]:
    """Name -> digest of all images of the site, in the registry."""
    return second.push()


def test_a_site_comes_up_on_an_engine_that_has_built_nothing(second: Second, pushed: dict[str, str]) -> None:
    plan = second.up("--plan").stdout
    assert all(f"+ image {name}: pull, not there" in plan for name in pushed)
    told = second.up()
    assert f"images: pulling 3 from {second.registry}" in told.stderr
    assert second.names() == pushed.keys()
    assert second.recorded == pushed
    assert second.up().stdout.startswith("nothing to do")


def test_an_image_that_was_removed_is_pulled_by_its_digest(second: Second, pushed: dict[str, str]) -> None:
    """The name means another image meanwhile."""
    script = second.folder / "catalogue/toy/echo/server.py"
    before = script.read_text()
    script.write_text(before + "# another\n")
    newer = second.push()[second.echo]
    script.write_text(before)
    assert newer != pushed[second.echo]
    second.up()
    second.sh("docker", "image", "rm", "--force", second.echo)
    assert "images: done, 1 pulled" in second.up().stderr
    assert second.recorded == pushed
    assert second.up().stdout.startswith("nothing to do")


def test_an_image_of_another_catalogue_is_refused(second: Second, pushed: dict[str, str]) -> None:  # noqa: ARG001
    """Runs after the name has got another meaning."""
    second.up()
    second.sh("docker", "image", "rm", "--force", second.echo)
    second.sh("rm", "/var/lib/stackyard/digests.json")
    failed = second.up(check=False)
    assert failed.code == 2, str(failed)
    assert f"{second.echo} (toy/echo/server.py changed)" in failed.stderr
    assert second.echo not in second.names()
