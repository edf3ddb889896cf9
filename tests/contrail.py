"""A site with OpenContrail, its programs stand-ins, beside the demo."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from vnc_api.vnc_api import VncApi

from demo import Site
from tool import ROOT, STATE, Outcome, Tool, run
from waiting import NotYet

FOLDER = ROOT / "tests/opensdn"
DATA = yaml.safe_load((FOLDER / "site.yaml").read_text())
SOURCE = DATA["sources"]["opensdn"]
"""Where the stand-ins are, as published images."""
UP_SECONDS = 1200


def stand_ins() -> None:
    """Build the stand-ins, as published images."""
    run(sys.executable, str(FOLDER / "build.py"), f"{SOURCE['images']}/opensdn-", SOURCE["tag"], timeout=600)


def running(stackyard: Tool, folder: Path, data: dict[str, Any]) -> Iterator["Contrail"]:
    """A site, made from nothing, beside whatever else there is; removed afterwards."""
    made = Contrail(stackyard, folder, data)
    made("down", "--volumes")
    made("build")
    made("up")
    yield made
    made("down", "--volumes")


class Contrail(Site):
    """A site of a file of its own, with the tests' own layer of the catalogue."""

    def __init__(self, stackyard: Tool, folder: Path, data: dict[str, Any]) -> None:
        super().__init__(stackyard)
        shutil.copytree(FOLDER / "catalogue", folder / "catalogue")
        self.name, self.data = data["site"], data
        self.folder, self.file = folder, str(folder / "site.yaml")
        self.write(data)

    def write(self, data: dict[str, Any]) -> None:
        Path(self.file).write_text(yaml.safe_dump(data))

    def __call__(self, verb: str, *words: str, check: bool = True) -> Outcome:
        return self.stackyard(verb, "--site", self.file, *words, check=check, timeout=UP_SECONDS)

    def container(self, node: str, container: str) -> str:
        return f"{self.name}-{node}-{container}"

    @property
    def secrets(self) -> dict[str, str]:
        return json.loads((STATE / "sites" / self.name / "secrets.json").read_text())["secrets"]

    def lacks(self) -> dict[str, str]:
        """Container -> what it lacks, of those that are not ready."""
        entries = self("status", "--output", "json", check=False).json
        return {f"{each['node']}/{each['container']}": each["lacks"] for each in entries if each["lacks"]}

    def ready(self) -> None:
        """Raise NotYet while something is not ready."""
        if lacks := self.lacks():
            raise NotYet(str(lacks))

    @property
    def api(self) -> VncApi:
        """A client of the configuration API, signed in as OpenSDN's own user."""
        offset = self.data["publish"]["offset"]
        where = {"api_server_host": "127.0.0.1", "api_server_port": str(8082 + offset)}
        auth = {"auth_type": "keystone", "auth_host": "127.0.0.1", "auth_port": str(5000 + offset)}
        auth |= {"auth_protocol": "http", "auth_url": "/v3/auth/tokens", "domain_name": "Default"}
        account = {"username": "opencontrail", "password": self.secrets["opencontrail/keystone"]}
        return VncApi(**account, tenant_name="service", **where, **auth)
