"""JSON Schemas of the files that people write, generated from the models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stackyard.model.base import Model
from stackyard.model.foreign import Foreign
from stackyard.model.layer import Layer
from stackyard.model.release import Bases, Defaults, Structure
from stackyard.model.sdn import Sdn
from stackyard.model.service import Service
from stackyard.model.site import Site

MODELS: dict[str, type[Model]] = {
    "site": Site,
    "service": Service,
    "structure": Structure,
    "base": Bases,
    "layer": Layer,
    "sdn": Sdn,
    "catalogue": Defaults,
    "foreign": Foreign,
}
"""Name of the file without its ending -> its model."""


def schema(name: str) -> dict[str, Any]:
    """JSON Schema of a kind of file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **MODELS[name].model_json_schema()}


def schema_text(name: str) -> str:
    """The same as text, as it is stored."""
    return json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n"


def write_schemas(folder: Path) -> list[Path]:
    """Write NAME.json of every kind into ``folder``, which is made; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name in MODELS:
        files.append(folder / f"{name}.json")
        files[-1].write_text(schema_text(name), encoding="utf-8")
    return files
