"""A toy site on a real engine: three tiny images, two virtual nodes, state of its own."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stackyard.effects.engine import Engine
from tool import Outcome, Tool

DOCKER = Engine().client

TOY = Path(__file__).parent / "engine" / "toy"


@dataclass(frozen=True)
class Toy:
    """The toy site: its file may be changed, its state is in a folder of its own."""

    stackyard: Tool
    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "catalogue" / "sites" / "toy.yaml"

    @property
    def state(self) -> Path:
        return self.folder / "state" / "sites" / "toytest"

    @property
    def env(self) -> dict[str, str]:
        return {"STACKYARD_CATALOGUE": str(self.folder / "catalogue"), "STACKYARD_STATE": str(self.folder / "state")}

    def __call__(self, *arguments: str, check: bool = True) -> Outcome:
        return self.stackyard(*arguments, "--site", str(self.file), check=check, timeout=120, **self.env)

    def change(self, **values: Any) -> None:
        """Set top-level keys of the site file."""
        data = yaml.safe_load((TOY / "catalogue/sites/toy.yaml").read_text())
        self.file.write_text(yaml.safe_dump({**data, **values}, sort_keys=False))

    def plan(self) -> dict[str, tuple[str, list[str]]]:
        """What `up` would do: key -> verb and reasons, of what changes."""
        told = self("up", "--plan", "--output", "json").json
        steps = {f"{step['node']}/{step['container']}": (step["verb"], step["why"]) for step in told["containers"]}
        return {key: step for key, step in steps.items() if step[0] != "unchanged"}

    def ids(self) -> dict[str, str]:
        """Name -> id and start of every container of the site."""
        names = engine("ps", "-a", "--filter", "label=stackyard.site=toytest", "--format", "{{.Names}}").split()
        form = "{{.Name}} {{.Id}} {{.State.StartedAt}}"
        lines = engine("inspect", "--format", form, *names).splitlines() if names else []
        return dict(line.lstrip("/").split(" ", 1) for line in lines)


def engine(*arguments: str, check: bool = True) -> str:
    done = subprocess.run([DOCKER, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout


def inspect(name: str) -> Any:
    return json.loads(engine("inspect", name))[0]
