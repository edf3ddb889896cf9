"""The command line: one file a verb; commands parse, call and show."""

from __future__ import annotations

import ast
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from stackyard import __version__
from stackyard.effects.host import Host
from stackyard.effects.signals import StoppedError
from stackyard.entrypoint.suggest import closest
from stackyard.errors import StackyardError

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

_ROOM = "make room there; the same command continues where it stopped"
_PLACE = "run it as root (sudo), or name another place in STACKYARD_STATE"
HOST = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EACCES: _PLACE,
    errno.EPERM: _PLACE,
    errno.EROFS: _PLACE,
    errno.ENOTDIR: _PLACE,
}
"""What the host may refuse at any moment, with the remedy."""


class Verbs(click.Group):
    """Command NAME is ``command`` in NAME.py of this folder, imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Names of the files; an underscore marks what is not a command."""
        files = Path(__file__).parent.glob("*.py")
        return sorted(file.stem.replace("_", "-") for file in files if not file.stem.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, or None when there is none of that name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"{__name__}.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments start with; a mistyped one is told the right name."""
        names = self.list_commands(ctx)
        if args[0] not in names and not args[0].startswith("-"):
            close = closest(args[0], names)
            remedy = f"did you mean {close}?" if close else f"there are {', '.join(names)}"
            raise click.UsageError(f"there is no command {args[0]}: {remedy}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in ``--help``, from the docstrings alone: importing all commands takes long."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _summary(name)) for name in self.list_commands(ctx)])


def _summary(name: str) -> str:
    """First line of the docstring of a command."""
    source = (Path(__file__).parent / f"{name.replace('-', '_')}.py").read_text(encoding="utf-8")
    tree = ast.parse(source)
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "command")
    text = next((ast.get_docstring(node) for node in functions), None) or ast.get_docstring(tree) or ""
    return text.partition("\n")[0]


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="stackyard %(version)s")
def stackyard() -> None:
    """Build, configure and run OpenStack with OVN or OpenContrail networking as Docker containers.

    \b
    The usual way, as root:
      stackyard build            make the images (--plan: what, and why)
      stackyard up               bring up the site `demo` and wait until it is ready
      stackyard verify           prove it: two VMs ping each other over the overlay
      eval "$(stackyard env)"    address and credentials, for the shell
      stackyard down             take it away again; its data stays

    Each is about one site: `demo`, or the one that --site names. Run again, it does what is left to do.

    Exit codes: 0 done; 1 failed while doing; 2 bad input, nothing touched; 130 interrupted, 143 ended by SIGTERM.
    """  # noqa: D301 - click wants the character


def main(arguments: Sequence[str] | None = None, host: Host | None = None) -> None:
    """Run a command on a host, the local one, and exit: every error that is meant for people ends here."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = stackyard.main(words, prog_name="stackyard", standalone_mode=False, obj=host or Host.local())
    except StackyardError as error:
        _tell(error.message, error.hint)
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except OSError as error:
        if error.errno not in HOST:
            raise
        place = f"{error.filename}: " if error.filename else ""
        _tell(f"{place}{error.strerror}", HOST[error.errno])
        code = StackyardError.exit_code
    except (click.Abort, KeyboardInterrupt) as error:
        stopped = error.__cause__ if isinstance(error.__cause__, StoppedError) else None
        _tell("interrupted", stopped.hint if stopped else "the same command continues where it stopped")
        code = stopped.code if stopped else INTERRUPTED
    sys.exit(code if isinstance(code, int) else 0)


def _tell(message: str, hint: str) -> None:
    """An error on stderr, in colour where that is wanted."""
    color = False if os.environ.get("NO_COLOR") else None
    click.echo(click.style("error: ", fg="red") + message, err=True, color=color)
    if hint:
        click.echo(click.style("hint: ", fg="cyan") + hint, err=True, color=color)
