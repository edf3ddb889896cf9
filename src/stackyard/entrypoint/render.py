"""The renderer of templates and expressions: Jinja, strict. The same in the container and in the tool.

In templates the variables of the contract are Python values: ``int`` for port and int, ``bool``, ``list``, whatever
JSON says for json, ``str`` for all others. A variable that is not given is false, ``is none`` and not ``is defined``,
and ``default()`` replaces it; to print it is an error, as is to mention a name that the contract does not have.

What a template prints is written as the format of its file wants it, so no template has to remember to. Text of the
template itself, and what its macros return, stays as it is. Expressions are no files, and nothing is escaped in them.
"""

# ruff: noqa: PTH119
# pathlib would be one more import, and start-up time counts

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

import jinja2
from jinja2.bccache import Bucket
from markupsafe import Markup

from .expressions import ExpressionError, NotGivenError, UnwritableError, hostport
from .formats import FORMATS, identifier, pattern, texts, tojson


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


def _tojson(value: Any, indent: int | None = None) -> str:
    """JSON; nothing given is null."""
    return tojson(None if isinstance(value, NotGiven) else value, indent)


class _RefusedError(Exception):
    """A file cannot hold what a template prints."""

    def __init__(self, printed: Any, reason: str) -> None:
        super().__init__(reason)
        self.printed = printed


def _writer(escape: Callable[[Any], str]) -> Callable[[Any, Any], Any]:
    """What Jinja does with everything that a template prints. Markup is written already: a macro's result.

    It takes the context for Jinja not to call it when a template is compiled, with constants escaped for HTML.
    """

    @jinja2.pass_context
    def write(_: Any, printed: Any) -> Any:
        if isinstance(printed, (Markup, jinja2.Undefined)):
            return printed
        try:
            return Markup(escape(printed))  # noqa: S704 - not HTML
        except ValueError as error:
            raise _RefusedError(printed, str(error)) from error

    return write


def _is_none(value: Any) -> bool:
    return value is None or isinstance(value, NotGiven)


class _Compiled(jinja2.BytecodeCache):
    """Compiled templates by format, kept between renderers: the tool renders the same few for every container."""

    _code: ClassVar[dict[tuple[str | None, str, str], Any]] = {}

    def __init__(self, form: str | None) -> None:
        self._form = form

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give a template's code when it is known and its source is the same."""
        bucket.code = self._code.get((self._form, bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep a template's code."""
        self._code[self._form, bucket.key, bucket.checksum] = bucket.code


_HTML = ("safe", "e", "escape", "forceescape", "xmlattr", "urlize")
"""Filters that would mark a value as written already."""


def _environment(folders: Sequence[str], form: str | None = None) -> jinja2.Environment:
    """Of templates for files of that format; of expressions without one."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([str(folder) for folder in folders]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
        bytecode_cache=_Compiled(form),
        autoescape=form is not None,  # noqa: S701 - these are configuration files, not HTML
        finalize=_writer(FORMATS[form]) if form else None,
    )
    for name in _HTML:
        del environment.filters[name]
    environment.filters.update(hostport=hostport, urlquote=urlquote, tojson=_tojson)
    if form == "json":
        environment.filters["tojson"] = lambda value, indent=None: Markup(_tojson(value, indent))  # noqa: S704
    if form == "sql":
        environment.filters.update(pattern=pattern, identifier=lambda name: Markup(identifier(name)))  # noqa: S704
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


def _reason_of(value: Any, printed: Any, escape: Callable[[Any], str]) -> bool:
    """Whether a value is in what was printed, and cannot be written itself."""
    return any(text in str(printed) and _refused(text, escape) for text in texts(value))


def _refused(text: str, escape: Callable[[Any], str]) -> bool:
    try:
        escape(text)
    except ValueError:
        return True
    return False


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
        self._folders = folders
        self._environments: dict[str, jinja2.Environment] = {}
        self._values = values
        self._context = {name: self._given(name, value) for name, value in values.items()}

    @staticmethod
    def _given(name: str, value: Any) -> Any:
        if value is not None:
            return value
        return NotGiven(f"{name} is not given and has no default", name=name, exc=_NotGivenInTemplateError)

    def _of(self, form: str) -> jinja2.Environment:
        if form not in self._environments:
            self._environments[form] = _environment(self._folders, form)
        return self._environments[form]

    def file(self, source: str, form: str) -> str:
        """Render a template for a file of that format.

        UnwritableError when the format cannot hold a value, else ExpressionError with its name and line.
        """
        try:
            return self._of(form).get_template(source, globals=self._context).render()
        except _RefusedError as error:
            names = [name for name, value in self._values.items() if _reason_of(value, error.printed, FORMATS[form])]
            raise UnwritableError(names, str(error), _place(error, source)) from error
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
            return bool(_PLAIN.compile_expression(expression, undefined_to_none=False)(**self._context))
        except Exception as error:
            raise ExpressionError(f"expression {expression!r}: {error}") from error
