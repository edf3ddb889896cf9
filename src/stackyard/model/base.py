"""What every model of a file that people write has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A frozen value read from YAML; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
