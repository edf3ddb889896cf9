"""What every model of a file that people write has in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Model(BaseModel):
    """A frozen value read from YAML; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _words(value: Any) -> Any:
    """A number or a truth value, as an environment or an API has it."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


Text = Annotated[str, BeforeValidator(_words)]
"""A text for which people may write a number or a truth value."""
