"""The rendered configuration, to be read."""

from __future__ import annotations

import sys

from .failure import BAD_INPUT, Failure
from .files import rendered
from .session import Session
from .suggest import closest


def show(session: Session, path: str | None, *, secrets: bool) -> None:
    """Print all files, each under its name, or one alone; secrets masked unless asked for."""
    session = session if secrets else session.masked()
    targets = session.container.templates
    if path is not None and path not in targets:
        near = closest(path, targets)
        hint = f"did you mean {near}?" if near else f"it renders {', '.join(targets) or 'none'}"
        raise Failure(f"{session.container.image} renders no file {path}: {hint}", code=BAD_INPUT)
    files = rendered(session, path)
    if path is not None:
        sys.stdout.write("".join(content for _, content, _ in files))
        return
    sys.stdout.write("\n".join(f"### {target} (mode {mode:04o})\n{content}" for target, content, mode in files))
