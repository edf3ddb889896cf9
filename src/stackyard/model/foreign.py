"""Names that people bring from elsewhere: other systems, and the past of this one."""

from __future__ import annotations

from pydantic import Field

from stackyard.model.base import Model


class Environment(Model):
    """Variables of another system."""

    names: tuple[str, ...] = Field(description="Variables, or `X_*` for all that begin with X_.")
    values: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Variable that images here have, too -> values, or `X*`, that are the other system's.",
    )


class Gone(Model):
    """An image whose work is done otherwise today."""

    since: str = Field(description="Version that went without it.")
    help: str = Field(description="What became of its work; goes on after `gone since …:`.")
    now: tuple[str, ...] = Field(default=(), description="Images that do its work.")


class Foreign(Model):
    """``common/foreign.yaml``: names that are not, or not any more, the catalogue's."""

    environments: dict[str, Environment] = Field(
        default_factory=dict, description="Other system -> its variables; images pass over them."
    )
    images: dict[str, Gone] = Field(default_factory=dict, description="Image of the past -> what became of it.")
    structure: dict[str, str] = Field(
        default_factory=dict, description="Key of earlier structure files -> what says it today."
    )

    def explained(self, name: str) -> str:
        """Why there is no image of that name; empty when nothing is known of it."""
        if name not in self.images:
            return ""
        gone = self.images[name]
        does = "does" if len(gone.now) == 1 else "do"
        work = f"{' and '.join(gone.now)} {does} its work" if gone.now else "nothing takes its place"
        return f"gone since {gone.since}: {gone.help}; {work}"
