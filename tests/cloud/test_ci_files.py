"""The files for CI services: their steps, as scripts, on a cloud that is there already."""

import json
import os
import shutil
import stat
import tarfile
from pathlib import Path
from typing import Any

import openstack
import pytest
import yaml

from demo import Site
from tool import ROOT, STATE, run

pytestmark = pytest.mark.cloud

PLACES = {"the tests": "exit 1", "away with it": "true"}
"""Steps that are the job's own, or that would take the cloud away -> what is run in their place."""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Where a job works: the project below it, and a sudo for whoever is root already."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "stackyard").symlink_to(ROOT)
    sudo = tmp_path / "bin" / "sudo"
    sudo.parent.mkdir()
    sudo.write_text('#!/bin/sh\nexec "$@"\n')
    sudo.chmod(0o755)
    return folder


def bash(workspace: Path, script: str, **environment: str) -> Any:
    """Run a step as a runner does, and return how it ended."""
    path = f"{workspace.parent / 'bin'}:{os.environ['PATH']}"
    return run(
        "env", "-C", str(workspace), f"PATH={path}", *(f"{key}={value}" for key, value in environment.items()),
        "bash", "-e", "-o", "pipefail", "-c", script, check=False, timeout=600,
    )  # fmt: skip


def signed_in(variables: dict[str, str]) -> str:
    """Name of the project that the credentials are for."""
    names = ("auth_url", "username", "password", "project_name", "user_domain_name", "project_domain_name")
    auth = {name: variables[f"OS_{name.upper()}"] for name in names}
    cloud = openstack.connect(auth=auth, load_yaml_config=False, load_envvars=False)
    return str(cloud.identity.get_project(cloud.current_project_id).name)


def is_complete(archive: Path, site: Site) -> None:
    """It has everything, for nobody but its owner, and no secret."""
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    with tarfile.open(archive) as tar:
        texts = {name: tar.extractfile(name).read().decode() for name in tar.getnames()}  # type: ignore[union-attr]
    logs = {name for name in texts if name.startswith("demo/logs/")}
    there = {
        f"demo/logs/{name.split('-', 2)[1]}/{name.split('-', 2)[2]}.log"
        for name in site.containers()
        if name.count("-") > 1
    }
    assert there <= logs
    states = json.loads(texts["demo/status.json"])
    assert {each["ready"] for each in states} <= {"yes", "done"}
    assert json.loads(texts["demo/plan.json"])["nothing_to_do"]
    secrets = json.loads((STATE / "sites" / "demo" / "secrets.json").read_text())["secrets"]
    lines = {line for each in secrets.values() for line in each.splitlines() if "-----" not in line}
    for name, text in texts.items():
        assert not [line for line in lines if line in text], name


def test_github_actions(site: Site, workspace: Path) -> None:
    """Credentials reach the steps that follow; when a test fails there is an archive."""
    steps = yaml.safe_load((ROOT / "docs/ci/github.yaml").read_text())["jobs"]["cloud"]["steps"]
    exported, failed = workspace / "exported", False
    exported.touch()
    for step in steps:
        name = step.get("name", "").lower()
        if "run" not in step or (step.get("if") == "failure()" and not failed):
            continue
        done = bash(workspace, PLACES.get(name, step["run"]), GITHUB_ENV=str(exported))
        failed = failed or done.code != 0
        assert (done.code == 0) == (name != "the tests"), f"{name}: {done}"
    assert failed
    variables = dict(line.split("=", 1) for line in exported.read_text().splitlines())
    assert signed_in(variables) == "demo"
    is_complete(workspace / "cloud.tar.gz", site)


@pytest.mark.skipif(not shutil.which("git"), reason="clones the project")
def test_gitlab(site: Site, workspace: Path) -> None:
    job = yaml.safe_load((ROOT / "docs/ci/gitlab.yaml").read_text())["cloud"]
    before = [each for each in job["before_script"] if not each.startswith("git clone")]
    assert len(before) == len(job["before_script"]) - 1
    told = bash(workspace, "\n".join([*before, "env | grep ^OS_"]))
    assert told.code == 0, told
    assert signed_in(dict(line.split("=", 1) for line in told.stdout.splitlines() if line.startswith("OS_"))) == "demo"
    after = [each for each in job["after_script"] if " down " not in each]
    assert len(after) == len(job["after_script"]) - 1
    assert bash(workspace, "\n".join(after), CI_JOB_STATUS="failed").code == 0
    is_complete(workspace / job["artifacts"]["paths"][0], site)
