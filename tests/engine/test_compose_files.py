"""The files of the demo site are ones that compose takes as they are, without Stackyard."""

import subprocess
from pathlib import Path

import pytest

from resolved_sites import rendered, resolved
from stackyard.deploy.state import SiteState
from stackyard.effects.engine import Engine

DOCKER = Engine().client

pytestmark = pytest.mark.engine


def test_compose_accepts_every_directory_of_the_demo(tmp_path: Path) -> None:
    made = rendered(resolved("demo"))
    state = SiteState(tmp_path)
    paths = state.stale(made.files)
    state.write_files(made.files, paths)
    assert state.stale(made.files) == ()
    directories = {path.parent for path in tmp_path.rglob("docker-compose.yml")}
    assert len(directories) > 5
    for folder in sorted(directories):
        told = subprocess.run(
            [DOCKER, "compose", "config", "--quiet"], cwd=folder, capture_output=True, text=True, check=False
        )
        assert (told.returncode, told.stderr) == (0, ""), folder
