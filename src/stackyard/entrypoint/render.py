"""The renderer of templates and expressions: Jinja, strict. The same in the container and in the tool.

In templates the variables of the contract are Python values: ``int`` for port and int, ``bool``, ``list``, whatever
JSON says for json, ``str`` for all others. A variable that is not given is false, ``is none`` and not ``is defined``,
and ``default()`` replaces it; to print it is an error, as is to mention a name that the contract does not have.
"""

# ruff: noqa: PTH119
# pathlib would be one more import, and start-up time counts

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import jinja2
from jinja2.bccache import Bucket

from .expressions import ExpressionError, NotGivenError, hostport


class NotGiven(jinja2.StrictUndefined):
    """A variable of the contract without a value."""

    __slots__ = ()

    def __bool__(self) -> bool:  # type: ignore[override]
        """Not given is false."""
        return False

    def __eq__(self, other: object) -> bool:  # type: ignore[override]
        """Equal to nothing but its like and None."""
        return other is None or isinstance(other, NotGiven)

    def __ne__(self, other: object) -> bool:  # type: ignore[override]
        """The opposite."""
        return not self == other

    def __hash__(self) -> int:  # type: ignore[override]
        """All are one."""
        return 0


class _NotGivenInTemplateError(jinja2.UndefinedError):
    """A template prints a variable that is not given."""


def urlquote(text: Any) -> str:
    """Percent-encode text for any part of a URL."""
    return quote(str(text), safe="*")


def oslo(text: Any) -> str:
    """Escape a value for an oslo.config file, where ``$`` starts a substitution."""
    return str(text).replace("$", "$$")


def tojson(value: Any, indent: int | None = None) -> str:
    """JSON as a program reads it, not escaped for HTML; nothing given is null."""
    return json.dumps(None if isinstance(value, NotGiven) else value, indent=indent, ensure_ascii=False)


def _is_none(value: Any) -> bool:
    return value is None or isinstance(value, NotGiven)


class _Compiled(jinja2.BytecodeCache):
    """Compiled templates, kept between renderers: the tool renders the same few for every container."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give a template's code when it is known and its source is the same."""
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep a template's code."""
        self._code[bucket.key, bucket.checksum] = bucket.code


_COMPILED = _Compiled()


def _environment(folders: Sequence[str]) -> jinja2.Environment:
    environment = jinja2.Environment(  # noqa: S701 - these are configuration files, not HTML
        loader=jinja2.FileSystemLoader([str(folder) for folder in folders]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
        bytecode_cache=_COMPILED,
    )
    environment.filters.update(hostport=hostport, urlquote=urlquote, oslo=oslo, tojson=tojson)
    environment.tests["none"] = _is_none
    return environment


def _place(error: BaseException, source: str) -> str:
    """Where in which template an error arose: the innermost frame that Jinja marks as a template's."""
    if isinstance(error, jinja2.TemplateSyntaxError):
        return f"template {error.name or source}, line {error.lineno}"
    place = f"template {source}"
    trace = error.__traceback__
    while trace is not None:
        if "__jinja_exception__" in trace.tb_frame.f_globals:
            place = f"template {os.path.basename(trace.tb_frame.f_code.co_filename)}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return place


_PLAIN = _environment([])
_TEXTS: dict[str, jinja2.Template] = {}


def _text(expression: str) -> jinja2.Template:
    """An expression, compiled once: the tool evaluates the same few for every container."""
    if expression not in _TEXTS:
        _TEXTS[expression] = _PLAIN.from_string(expression)
    return _TEXTS[expression]


class Renderer:
    """Renders with one set of values; ``folders`` are where templates and what they import are looked for."""

    def __init__(self, values: Mapping[str, Any], folders: Sequence[str] = ()) -> None:
        self._environment = _environment(folders) if folders else _PLAIN
        self._context = {name: self._given(name, value) for name, value in values.items()}

    @staticmethod
    def _given(name: str, value: Any) -> Any:
        if value is not None:
            return value
        return NotGiven(f"{name} is not given and has no default", name=name, exc=_NotGivenInTemplateError)

    def file(self, source: str) -> str:
        """Render a template file; ExpressionError with its name and line."""
        try:
            return self._environment.get_template(source, globals=self._context).render()
        except jinja2.TemplateNotFound as error:
            raise ExpressionError(f"template {source}: there is no template {error.message}") from error
        except Exception as error:
            raise ExpressionError(f"{_place(error, source)}: {error}") from error

    def text(self, expression: str) -> str:
        """Render a string; NotGivenError when it prints a variable that is not given, else ExpressionError."""
        try:
            return _text(expression).render(self._context)
        except _NotGivenInTemplateError as error:
            raise NotGivenError(str(error)) from error
        except Exception as error:
            raise ExpressionError(f"expression {expression!r}: {error}") from error

    def truth(self, expression: str) -> bool:
        """Whether a bare expression holds."""
        try:
            return bool(self._environment.compile_expression(expression, undefined_to_none=False)(**self._context))
        except Exception as error:
            raise ExpressionError(f"expression {expression!r}: {error}") from error
