"""What all tests share: the tool as a user calls it, and the demo site as a user gets it."""

import pytest

from demo import Site
from tool import Tool


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--keep-site", action="store_true", help="begin with the demo site that is there")


@pytest.fixture(scope="session")
def stackyard() -> Tool:
    """The command line: `stackyard("up", "--plan")` runs it and returns exit code and output."""
    return Tool()


@pytest.fixture(scope="session")
def fresh_site(stackyard: Tool, request: pytest.FixtureRequest) -> Site:
    """The demo site, built and brought up from nothing, once; its data of an earlier run is removed first.

    With ``--keep-site``, for tests that do not ask how it was made, one that is there becomes what it should be.
    """
    site = Site(stackyard)
    if not request.config.getoption("--keep-site"):
        site.remove()
    site.build()
    site.up()
    site.restarted = site.restarts()
    return site


@pytest.fixture(scope="module")
def site(fresh_site: Site) -> Site:
    """The demo site, up at the begin of each file of tests, whatever the one before did to it."""
    fresh_site.stackyard("up", timeout=600)
    return fresh_site
