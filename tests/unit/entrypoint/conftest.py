"""An image as the entrypoint sees it: a container folder, a root to render into, and a way to start it."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from stackyard.entrypoint import session

SOURCE = Path(__file__).parents[3] / "src"
PROGRAM = "import sys; from stackyard.entrypoint.main import main; sys.exit(main())"

CONTRACT: dict[str, dict[str, Any]] = {
    "DEBUG": {"type": "bool", "default": False, "help": "Log at debug level."},
    "KEYSTONE_SERVER": {
        "type": "host",
        "required": True,
        "help": "Where Keystone answers.",
        "example": "192.0.2.10",
        "sets": ["nova.conf [keystone_authtoken] auth_url"],
    },
    "MYSQL_SERVER": {"type": "host", "default": "{{ KEYSTONE_SERVER }}", "help": "Where MariaDB answers."},
    "METADATA_PORT": {"type": "port", "default": 8775, "help": "Port of the metadata service."},
    "ADMIN_PASSWORD": {"type": "secret", "required": True, "help": "Password of the administrator."},
    "GLANCE_SERVER": {"type": "host", "help": "Where Glance answers."},
    "VIRT_TYPE": {"type": "enum", "values": ["auto", "kvm", "qemu"], "default": "auto", "help": "Hypervisor."},
}

ENDPOINTS: dict[str, dict[str, Any]] = {
    "database": {
        "title": "the database",
        "scheme": "mysql",
        "port": 3306,
        "path": "/nova",
        "check": None,
        "variables": {"hosts": "MYSQL_SERVER", "password": "ADMIN_PASSWORD"},
    },
    "queue": {"title": "the queue", "scheme": "amqp", "port": 5672, "variables": {"hosts": "KEYSTONE_SERVER"}},
}

TEMPLATE = """\
[DEFAULT]
debug = {{ DEBUG }}
{% if GLANCE_SERVER %}
glance = {{ GLANCE_SERVER | hostport(9292) }}
{% endif %}
[database]
connection = mysql+pymysql://nova:{{ ADMIN_PASSWORD | urlquote }}@{{ MYSQL_SERVER | hostport(3306) }}/nova
"""

GOOD = {"KEYSTONE_SERVER": "192.0.2.10", "ADMIN_PASSWORD": "contrail123"}


class Image:
    """A container folder on disk; ``container.json`` can be changed before it is started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "container"
        self.root = folder / "root"
        self.data: dict[str, Any] = {
            "version": 2,
            "image": "nova-api",
            "service": "nova",
            "release": "2026.2",
            "title": "Compute API",
            "contract": copy.deepcopy(CONTRACT),
            "removed": {"DISCOVERY_SERVER": "OpenSDN finds its services without it."},
            "known": ["CINDER_SERVER", "CONFIG_API_SERVER", "KEYSTONE_SERVERS"],
            "templates": {"/etc/nova/nova.conf": {"source": "nova.conf.j2", "mode": "0400", "when": None}},
            "command": ["true"],
            "pre_start": [],
            "post_start": [],
            "wait_for": [],
            "endpoints": copy.deepcopy(ENDPOINTS),
            "health": None,
            "bootstrap": [],
            "overrides": "oslo",
        }
        self.template("nova.conf.j2", TEMPLATE)

    def template(self, name: str, text: str) -> None:
        path = self.folder / "templates" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def env(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        (self.folder / "container.json").write_text(json.dumps(self.data))
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(SOURCE),
            "STACKYARD_CONTAINER": str(self.folder),
            "STACKYARD_ROOT": str(self.root),
            **(GOOD if env is None else env),
        }

    def popen(self, *argv: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *argv],
            env=self.env(env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def start(self, *argv: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        process = self.popen(*argv, env=env)
        stdout, stderr = process.communicate(timeout=60)
        return subprocess.CompletedProcess(argv, process.returncode, stdout, stderr)

    def rendered(self, path: str = "/etc/nova/nova.conf") -> Path:
        return self.root / path.lstrip("/")


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return Image(tmp_path)


@pytest.fixture
def begin(image: Image) -> Callable[..., Any]:
    """A session of the image in this process."""
    return lambda env=None: session.begin(image.env(env), quiet=True)
