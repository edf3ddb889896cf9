"""The rendered files: made from the templates, put in place with one rename."""

# ruff: noqa: PTH103, PTH105, PTH108, PTH118, PTH123
# pathlib would be one more import, and start-up time counts

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from .expressions import ExpressionError, truth
from .failure import Failure
from .session import Session


def rendered(session: Session, only: str | None = None) -> Iterator[tuple[str, str, int]]:
    """Path in the container, content and mode of each file that is wanted; Failure when a template is at fault."""
    from .render import Renderer  # noqa: PLC0415 - start-up time

    renderer = Renderer(session.context, [session.container.template_folder])
    for target, template in session.container.templates.items():
        if only in (None, target) and truth(template.get("when"), session.context):
            try:
                yield target, renderer.file(template["source"]), int(str(template.get("mode") or "0400"), 8)
            except ExpressionError as error:
                raise Failure(f"cannot render {target}: {error}") from error


def write_all(session: Session) -> None:
    """Render everything, then put it in place; what is there already stays, what is not wanted any more goes."""
    if not session.container.templates:
        return
    files = list(rendered(session))
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
