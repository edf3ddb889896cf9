"""The locks of the tool itself: complete, hashed, and without the address of any index."""

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
LOCKS = ["requirements.txt", "requirements-dev.txt", "tools/build.txt", "tools/uv.txt"]


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[ \[<>=!~;]", line)[0].lower().replace("_", "-") for line in requirements}


def pins(lock: str) -> list[str]:
    return re.findall(r"^([A-Za-z0-9._-]+==\S+)", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_is_a_pin_with_hashes(lock):
    text = (ROOT / lock).read_text(encoding="utf-8")
    entries = text.replace("\\\n", " ").splitlines()
    assert entries
    for entry in entries:
        assert re.fullmatch(r"\S+==\S+( ; [^#]*?)?(\s+--hash=sha256:[0-9a-f]{64})+", entry.rstrip()), entry
    assert "://" not in text


def test_a_lock_of_maven_has_sums_what_is_wanted_and_nothing_that_is_left_out():
    for file in (ROOT / "catalogue/releases").glob("*/maven/requirements.yaml"):
        for lock, wanted in yaml.safe_load(file.read_text(encoding="utf-8")).items():
            header, *lines = file.with_name(f"{lock}.txt").read_text(encoding="utf-8").splitlines()
            artefacts = [re.fullmatch(r"([\w.-]+(?::[\w.-]+){2,3}) sha256=[0-9a-f]{64}", line)[1] for line in lines]
            assert header.startswith("#")
            assert set(wanted["artefacts"]) <= set(artefacts), f"run: tools/lock-maven {file.parents[1].name}"
            assert not [each for each in artefacts for left_out in wanted["without"] if fnmatch(each, left_out)]


def test_the_locks_have_what_the_project_names():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    tool, developer = names(pins("requirements.txt")), names(pins("requirements-dev.txt"))
    again = "run: just lock"
    assert names(project["project"]["dependencies"]) <= tool, again
    assert names(project["dependency-groups"]["dev"]) <= developer, again
    assert names(project["build-system"]["requires"]) <= names(pins("tools/build.txt")), again


def test_the_developers_environment_has_the_tools_versions():
    assert set(pins("requirements.txt")) <= set(pins("requirements-dev.txt"))
