"""What the image says about itself: ``container.json``, written when it was built."""

# ruff: noqa: PTH118, PTH123
# pathlib would be one more import, and start-up time counts

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from .failure import Failure

VERSION = 2
DEFAULT_FOLDER = "/opt/stackyard/container"
DEFAULT_ROOT = "/run/stackyard/root"


class Container:
    """The effective runtime of an image; the attributes are those of ``container.json``."""

    def __init__(self, data: Mapping[str, Any], folder: str) -> None:
        self.folder = folder
        self.image: str = data.get("image", "this image")
        self.service: str = data.get("service") or self.image
        self.release: str = str(data.get("release") or "")
        self.title: str = data.get("title") or ""
        self.contract: dict[str, dict[str, Any]] = data.get("contract") or {}
        self.removed: dict[str, str] = data.get("removed") or {}
        self.known = frozenset(data.get("known") or ())
        self.environments: dict[str, dict[str, Any]] = data.get("environments") or {}
        self.overrides: str = data.get("overrides") or "none"
        self.system: str = data.get("system") or ""
        self.environment: dict[str, str] = data.get("environment") or {}
        self.templates: dict[str, dict[str, Any]] = data.get("templates") or {}
        self.command: list[str] = data.get("command") or []
        self.pre_start: list[list[str]] = data.get("pre_start") or []
        self.post_start: list[list[str]] = data.get("post_start") or []
        self.endpoints: dict[str, dict[str, Any]] = data.get("endpoints") or {}
        self.wait_for: list[dict[str, Any]] = data.get("wait_for") or []
        self.plain_environment = bool(data.get("plain_environment"))
        self.health: dict[str, Any] | None = data.get("health")
        self.bootstrap: list[dict[str, Any]] = data.get("bootstrap") or []

    @property
    def template_folder(self) -> str:
        """Where the templates are."""
        return os.path.join(self.folder, "templates")


def load(folder: str) -> Container:
    """Read ``container.json``; Failure when it is missing, malformed or of a later version."""
    path = os.path.join(folder, "container.json")
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}; the image was not built by stackyard") from error
    except ValueError as error:
        raise Failure(f"{path} is not JSON: {error}") from error
    if data.get("version") != VERSION:
        raise Failure(f"{path} has version {data.get('version')}, this entrypoint reads version {VERSION}")
    return Container(data, folder)
