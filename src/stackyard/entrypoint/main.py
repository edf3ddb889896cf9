"""The command line of every image."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from .expressions import ExpressionError
from .failure import BAD_INPUT, Failure
from .log import say
from .session import begin, load

USAGE = """\
What this image can be started with:

  run                        wait for what it needs, configure itself and start its process (also without arguments)
  config [PATH] [--secrets]  print its configuration files, or one of them
  explain [VAR]              which variables it takes; --output json for programs
  validate                   check the environment and the templates, and start nothing
  bootstrap [--only STEP]    make what the service needs, as far as it is not there yet
  health [--after NAME=TIME] exit 0 when the process does its work, as it has shown after NAME was started (since 1970)
  wait SECONDS WHAT COMMAND [ARGUMENT ...]
                             repeat a command until it exits 0, and say what is waited for (for scripts)
  COMMAND [ARGUMENT ...]     configure itself and start that instead
"""


def main(argv: Sequence[str] | None = None, env: Mapping[str, str] | None = None) -> int:
    """Do what the arguments say; returns the exit code, 2 for bad input."""
    try:
        _dispatch(list(sys.argv[1:] if argv is None else argv), os.environ if env is None else env)
    except Failure as failure:
        say(*failure.lines)
        return failure.code
    except ExpressionError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _dispatch(argv: list[str], env: Mapping[str, str]) -> None:
    name, rest = (argv[0], argv[1:]) if argv else ("run", [])
    command = COMMANDS.get(name)
    if command:
        command(rest, env)
    elif name in ("help", "-h", "--help"):
        sys.stdout.write(USAGE)
    elif name.startswith("-"):
        raise Failure(f"there is no option {name}", *USAGE.splitlines(), code=BAD_INPUT)
    else:
        from .start import start_other  # noqa: PLC0415 - every command imports only what it needs: start-up time

        start_other(begin(env), argv, env)


def _run(rest: list[str], env: Mapping[str, str]) -> None:
    from .start import start  # noqa: PLC0415

    _end_of(rest)
    start(begin(env), env)


def _config(rest: list[str], env: Mapping[str, str]) -> None:
    from .show import show  # noqa: PLC0415

    secrets = _flag(rest, "--secrets")
    path = _operand(rest)
    _end_of(rest)
    show(begin(env), path, secrets=secrets)


def _explain(rest: list[str], env: Mapping[str, str]) -> None:
    from .explain import as_json, as_text  # noqa: PLC0415

    output = _option(rest, "--output") or "text"
    variable = _operand(rest)
    _end_of(rest)
    if output not in ("text", "json"):
        raise Failure(f"--output is text or json, not {output}", code=BAD_INPUT)
    sys.stdout.write((as_json if output == "json" else as_text)(load(env), variable))


def _validate(rest: list[str], env: Mapping[str, str]) -> None:
    from .files import rendered  # noqa: PLC0415

    _end_of(rest)
    session = begin(env)
    count = len(rendered(session)) if session.container.templates else 0
    say(f"the environment of {session.container.image} is valid; it gives {count} files")


def _bootstrap(rest: list[str], env: Mapping[str, str]) -> None:
    from .bootstrap import bootstrap  # noqa: PLC0415

    only = _option(rest, "--only")
    baked = _flag(rest, "--only-baked")
    _end_of(rest)
    bootstrap(begin(env), env, only, baked=baked)


def _health(rest: list[str], env: Mapping[str, str]) -> None:
    from .health import check  # noqa: PLC0415

    after = _option(rest, "--after")
    _end_of(rest)
    check(begin(env, quiet=True), env, after)


def _wait(rest: list[str], env: Mapping[str, str]) -> None:
    from .probes import COMMAND_SECONDS  # noqa: PLC0415
    from .process import answer  # noqa: PLC0415
    from .waits import wait  # noqa: PLC0415

    seconds, what, *argv = rest if len(rest) > len(("SECONDS", "WHAT")) else ("", "")
    if not seconds.isdigit():
        raise Failure("wait takes SECONDS, what is waited for, and a command", code=BAD_INPUT)
    wait(what, lambda: answer(argv, env, COMMAND_SECONDS), float(seconds))


COMMANDS = {
    "run": _run,
    "config": _config,
    "explain": _explain,
    "validate": _validate,
    "bootstrap": _bootstrap,
    "health": _health,
    "wait": _wait,
}


def _flag(rest: list[str], name: str) -> bool:
    """Take a flag out of the arguments."""
    if name not in rest:
        return False
    rest.remove(name)
    return True


def _option(rest: list[str], name: str) -> str | None:
    """Take an option with its value out of the arguments: ``--name value`` or ``--name=value``."""
    for position, word in enumerate(rest):
        if word.startswith(f"{name}="):
            del rest[position]
            return word[len(name) + 1 :]
        if word == name:
            if position + 1 == len(rest):
                raise Failure(f"{name} needs a value", code=BAD_INPUT)
            del rest[position]
            return rest.pop(position)
    return None


def _operand(rest: list[str]) -> str | None:
    """Take an argument that is no option."""
    return rest.pop(0) if rest and not rest[0].startswith("-") else None


def _end_of(rest: Sequence[str]) -> None:
    if rest:
        raise Failure(f"do not know what to do with {rest[0]!r}", *USAGE.splitlines(), code=BAD_INPUT)
