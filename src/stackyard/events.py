"""Work emits events; a terminal, plain lines or JSON are sinks of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["waiting", "started", "progress", "done", "unchanged", "failed", "note"]


@dataclass(frozen=True)
class Event:
    """Something happened to ``subject`` (an image, a container, a check).

    ``message`` says what, and why; ``seconds`` how long it took, when it is over. In ``data``, ``blocked`` says
    that it can only wait for others.
    """

    kind: Kind
    subject: str
    message: str = ""
    seconds: float | None = None
    data: dict[str, Any] = field(default_factory=dict)


Report = Callable[[Event], None]
"""What work is given to tell of its progress."""


def silent(_event: Event) -> None:
    """Tell nobody."""
