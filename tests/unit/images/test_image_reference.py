"""One name of an image, for `build`, `images` and `up`; and what no registry takes."""

import re

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from stackyard.catalogue import Catalogue, open_site
from stackyard.cli.build import command
from stackyard.model.reference import prefix, registry
from stackyard.model.site import Site

GIVEN = [
    ("localhost:5100", "localhost:5100/app:1"),
    ("localhost:5100/", "localhost:5100/app:1"),
    ("", "app:1"),
    ("team", "team/app:1"),
    ("registry.example.org/cloud/images", "registry.example.org/cloud/images/app:1"),
    ("Registry.Example.org:443", "Registry.Example.org:443/app:1"),
]
REFUSED = [
    "http://localhost:5100",
    "my reg",
    "localhost:5100/Team",
    "TEAM",
    "a//b",
    "-a",
    "a:b",
    "localhost:",
    "a:65536",
    "[2001:db8::5]:5000",
    "é",
]
DOMAIN = r"(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
NAME = re.compile(rf"(?:{DOMAIN}/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
"""The grammar of distribution/reference, as it is published there."""


@pytest.mark.parametrize(("registry", "expected"), GIVEN)
def test_names(small: Catalogue, registry: str, expected: str) -> None:
    assert small.reference("app", prefix(registry)) == expected


def test_the_sdn_is_part_of_the_tag_where_images_differ_by_it(small: Catalogue) -> None:
    assert small.reference("app-agent", "localhost:5100") == "localhost:5100/app-agent:1-plain"


def test_a_site_has_the_prefix_that_build_uses() -> None:
    site, _ = open_site("demo")
    assert Site.model_validate({**site.model_dump(), "registry": "localhost:5100/"}).registry == "localhost:5100"


@pytest.mark.parametrize("registry", REFUSED)
def test_what_no_registry_takes_is_refused(registry: str) -> None:
    with pytest.raises(ValueError, match=r"it is a URL|write `host:port`|write a host name"):
        prefix(registry)
    result = CliRunner().invoke(command, ["--plan", "--registry", registry])
    assert result.exit_code == 2
    assert f"`{registry}` does not fit" in result.output


@given(st.text(st.sampled_from("aB9.-_/:[] é"), max_size=12) | st.text(max_size=12))
def test_what_is_accepted_is_a_name_and_stays_as_it_is(text: str) -> None:
    try:
        made = prefix(text)
    except ValueError:
        return
    assert prefix(made) == made
    assert NAME.fullmatch(f"{made}/app" if made else "app")


@pytest.mark.parametrize(
    ("reference", "host"),
    [
        ("localhost:5100/app:1", "localhost:5100"),
        ("localhost/app:1", "localhost"),
        ("registry.example.org/cloud/app:1", "registry.example.org"),
        ("team/app:1", ""),
        ("team/images/app:1", ""),
        ("app:1", ""),
    ],
)
def test_only_a_host_names_a_registry(reference: str, host: str) -> None:
    assert registry(reference) == host
