"""Errors for people: a message, what to do about it, an exit code. Caught in one place, the command line."""

from __future__ import annotations


class StackyardError(Exception):
    """Something that the user can act on.

    ``message`` says what is wrong and where, ``hint`` the remedy. ``exit_code`` is 1: failed while doing.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(StackyardError):
    """Bad input: found before anything was touched."""

    exit_code = 2


class CommandError(StackyardError):
    """A command failed; the message shows it so that it can be pasted into a shell, with its last lines."""


class TimedOutError(CommandError):
    """A command took too long."""
