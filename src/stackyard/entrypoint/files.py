"""The rendered files: made from the templates, put in place with one rename."""

# ruff: noqa: PTH103, PTH105, PTH108, PTH118, PTH123
# pathlib would be one more import, and start-up time counts

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from typing import Any

from .contract import Problem
from .expressions import ExpressionError, UnwritableError, truth
from .failure import BAD_INPUT, Failure
from .formats import format_of
from .session import Session, report

File = tuple[str, str, int]
"""Path in the container, content and mode."""


def render(
    templates: Mapping[str, Mapping[str, Any]], context: Mapping[str, Any], folders: Sequence[str]
) -> tuple[list[File], list[Problem]]:
    """The files that are wanted, and the variables that one of them cannot hold. ExpressionError for a bad template."""
    from .render import Renderer  # noqa: PLC0415 - start-up time

    renderer = Renderer(context, folders)
    files, problems = [], []
    for target, template in templates.items():
        if not truth(template.get("when"), context):
            continue
        try:
            content = renderer.file(template["source"], format_of(target, template.get("format")))
        except UnwritableError as error:
            where = f"it cannot be written to {target} ({error.place})"
            problems += [Problem(name, f"{error.reason}; {where}") for name in error.names or [template["source"]]]
        except ExpressionError as error:
            raise ExpressionError(f"cannot render {target}: {error}") from error
        else:
            files.append((target, content, int(str(template.get("mode") or "0400"), 8)))
    return files, problems


def rendered(session: Session, only: str | None = None) -> list[File]:
    """All files of a container, or one; Failure when a template is at fault, or a file cannot hold a value."""
    templates = {path: each for path, each in session.container.templates.items() if only in (None, path)}
    try:
        files, problems = render(templates, session.context, [session.container.template_folder])
    except ExpressionError as error:
        raise Failure(str(error)) from error
    if problems:
        raise Failure(*report(session.container.image, problems), code=BAD_INPUT)
    return files


def write_all(session: Session) -> None:
    """Render everything, then put it in place; what is there already stays, what is not wanted any more goes."""
    if not session.container.templates:
        return
    files = rendered(session)
    try:
        for target in set(session.container.templates).difference(target for target, _, _ in files):
            _remove(session.path(target))
        for target, content, mode in files:
            write(session.path(target), content.encode(), mode)
    except OSError as error:
        raise Failure(
            f"cannot write {error.filename}: {error.strerror}",
            f"{session.root} must be writable for uid {os.getuid()}: with a read-only root file system, "
            f"give the container a tmpfs at /run/stackyard of that owner",
        ) from error


def write(path: str, content: bytes, mode: int) -> None:
    """Put a file in place with one rename, so that nobody ever reads half of it."""
    if _is(path, content, mode):
        return
    folder, name = os.path.split(path)
    os.makedirs(folder, mode=0o750, exist_ok=True)
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.stackyard")
    _remove(temporary)  # of a start that was killed here
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        os.fchmod(descriptor, mode)
    os.replace(temporary, path)


def _is(path: str, content: bytes, mode: int) -> bool:
    """Whether the file is there already."""
    try:
        with open(path, "rb") as file:
            return stat.S_IMODE(os.fstat(file.fileno()).st_mode) == mode and file.read() == content
    except OSError:
        return False


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
