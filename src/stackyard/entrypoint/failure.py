"""The one exception of the entrypoint."""

from __future__ import annotations

FAILED = 1
BAD_INPUT = 2
NOT_EXECUTABLE = 126
NOT_FOUND = 127


class Failure(Exception):  # noqa: N818 - it is what it is called in every message
    """Something to tell the user: the lines of the message, and the exit code."""

    def __init__(self, *lines: str, code: int = FAILED) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
        self.code = code
