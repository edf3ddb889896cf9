"""Strings of the catalogue that refer to variables: ``{{ KEYSTONE_SERVER }}:5000``.

They are Jinja. The commonest ones, plain references and ``HOST | hostport(PORT)``, are evaluated here without
importing it: a health check or a start without templates would spend most of its time on that import.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_REFERENCE = re.compile(
    r"\{\{ *([A-Za-z_][A-Za-z0-9_]*)(?: *\| *hostport\( *([A-Za-z_][A-Za-z0-9_]*|[1-9][0-9]*) *\))? *\}\}"
)
_MARKS = ("{{", "{%", "{#")
_NO = frozenset(("", "false", "none", "0", "no", "off", "[]", "{}"))


class ExpressionError(Exception):
    """An expression cannot be evaluated; the message says which and why."""


class NotGivenError(ExpressionError):
    """An expression needs a variable that is not given and has no default."""


class UnwritableError(ExpressionError):
    """A file cannot hold the value of a variable; ``names`` are those that it may come from."""

    def __init__(self, names: list[str], reason: str, place: str) -> None:
        super().__init__(f"{' or '.join(names) or 'a value'} {reason} ({place})")
        self.names, self.reason, self.place = names, reason, place


def is_expression(text: str) -> bool:
    """Whether the text is more than a literal."""
    return any(mark in text for mark in _MARKS)


def references(text: str, names: Iterable[str]) -> list[str]:
    """Those of ``names`` that the expression mentions."""
    if not is_expression(text):
        return []
    words = set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", text))
    return [name for name in names if name in words]


def hostport(host: str | list[str], port: int | str | None = None) -> str:
    """``host:port``, with brackets around an IPv6 address; the host alone without a port; of a list the first."""
    host = host[0] if isinstance(host, list) else host
    shown = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return shown if port is None else f"{shown}:{port}"


def _plain(text: str, values: Mapping[str, Any]) -> str | None:
    """The value of a text with nothing but references to variables in it; None when it has more."""
    if "\r" in text or "{{{" in text or is_expression(_REFERENCE.sub("\0", text)):
        return None
    words = {word for match in _REFERENCE.finditer(text) for word in match.groups() if word and not word.isdigit()}
    if any(word not in values for word in words):
        return None
    return _REFERENCE.sub(lambda match: _reference(match, values), text)


def _reference(match: re.Match[str], values: Mapping[str, Any]) -> str:
    name, port = match.groups()
    for word in (name, port):
        if word in values and values[word] is None:
            raise NotGivenError(f"{word} is not given and has no default")
    value = values[name]
    if port is not None:
        return hostport(value if isinstance(value, list) else str(value), values.get(port, port))
    return ",".join(value) if isinstance(value, list) else str(value)


def evaluate(text: str, values: Mapping[str, Any]) -> str:
    """The text with its expressions evaluated; ExpressionError when that is impossible."""
    if not is_expression(text):
        return text
    plain = _plain(text, values)
    if plain is not None:
        return plain
    from .render import Renderer  # noqa: PLC0415 - start-up time

    return Renderer(values).text(text)


def truth(text: str | None, values: Mapping[str, Any]) -> bool:
    """Whether a ``when`` holds: a bare expression (``DEBUG and not TLS``) or one in braces; yes when there is none."""
    if text is None:
        return True
    if is_expression(text):
        try:
            return evaluate(text, values).strip().lower() not in _NO
        except NotGivenError:
            return False
    if text.strip() in values:
        return bool(values[text.strip()])
    from .render import Renderer  # noqa: PLC0415 - start-up time

    return Renderer(values).truth(text)


def arguments(command: Iterable[str], values: Mapping[str, Any]) -> list[str]:
    """A command with its arguments evaluated; an expression that comes out empty is left out."""
    result = []
    for argument in command:
        value = evaluate(argument, values)
        if value or not is_expression(argument):
            result.append(value)
    return result
