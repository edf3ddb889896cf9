"""A file of a bundle."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class File:
    """Content, mode and owner (uid and gid; None: whoever writes it)."""

    content: bytes = field(repr=False)
    mode: int = 0o644
    user: int | None = None
