"""Options that several commands share."""

from __future__ import annotations

import functools
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from stackyard.errors import InputError, StackyardError
from stackyard.model.reference import prefix

DEMO = "demo"
_OF_A_SITE = re.compile(
    r"\bstackyard (build|down|env|explain|images|logs|mirror|save|show|status|up|verify)\b(?!, process)"
)
"""A command that is about one site, in a text; not the holder of a lock."""


def for_site(text: str, site: str) -> str:
    """A text whose commands of ours are about that site, the usual one or another."""
    return text if site == DEMO else _OF_A_SITE.sub(lambda found: f"{found[0]} --site {shlex.quote(site)}", text)


def site(command: Callable[..., Any]) -> Callable[..., Any]:
    """Option --site. What the command's errors say of commands is about the same site."""

    @functools.wraps(command)
    def told(*arguments: Any, site: str, **options: Any) -> Any:
        try:
            return command(*arguments, site=site, **options)
        except StackyardError as error:
            error.message, error.hint = for_site(error.message, site), for_site(error.hint, site)
            raise

    option = click.option(
        "--site",
        metavar="NAME|FILE",
        default=DEMO,
        show_default=True,
        help="The site: a name, or its file.",
    )
    return option(told)


def _prefix(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    try:
        return value and prefix(value)
    except ValueError as error:
        raise click.BadParameter(f"`{value}` does not fit: {error}") from error


output = click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Form of what is printed.",
)

registry = click.option(
    "--registry", metavar="PREFIX", callback=_prefix, help="Prefix of the image names. [default: the site's]"
)

passphrase_file = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The passphrase of the archive is the first line of FILE; `-` is the standard input.",
)


def passphrase_in(file: Path | None, *, new: bool) -> str:
    """The passphrase in a file, or asked for, twice if it is ``new``. Raises InputError when there is none."""
    if file is None:
        if not sys.stdin.isatty():
            raise InputError(
                "the archive needs a passphrase, and there is no terminal to ask for it", "give --passphrase-file FILE"
            )
        asked: str = click.prompt("passphrase", hide_input=True, confirmation_prompt=new, err=True)
        return asked
    try:
        lines = (sys.stdin.read() if str(file) == "-" else file.read_text()).splitlines()
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}", "correct the name") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is no text", "write the passphrase into its first line") from error
    if not lines or not lines[0]:
        raise InputError(f"{file} has no passphrase", "write it into its first line")
    return lines[0]
