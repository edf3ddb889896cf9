"""How a value is written into a file, by the format of the file, so that its reader gets the very same value.

Each function takes what a template prints and returns its text, quotes included where the format has them. It raises
ValueError, with a phrase that goes on after the name of a variable, for what the format cannot hold.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from typing import Any

_PLAIN = re.compile(r"[A-Za-z0-9_.:/@+,%=*\[\]-]*")
_CNF = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"})
_XML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
_SQL = str.maketrans({"\\": "\\\\", "'": "''"})
_ERLANG = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"})
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def texts(value: Any) -> Iterator[str]:
    """Every text in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts(item)


def is_plain(value: Any) -> bool:
    """Whether every format can hold a value: no text in it has a character that could need quotes."""
    return all(_PLAIN.fullmatch(text) for text in texts(value))


def _text(value: Any) -> str:
    if isinstance(value, (str, int, float)):
        return str(value)
    raise ValueError("is a list or a mapping: the template must say with `join` or `tojson` how it is written")


def _line(value: Any, what: str) -> str:
    text = _text(value)
    if "\n" in text or "\r" in text:
        raise ValueError(f"has a line break in it, which {what} cannot hold")
    return text


def plain(value: Any) -> str:
    """For what has no quotes, or none that are known here."""
    text = _text(value)
    if not _PLAIN.fullmatch(text):
        raise ValueError(
            "has characters in it that the file cannot hold: it takes letters, digits and _.:/@+,%=*[]-, since the "
            "catalogue does not say its format"
        )
    return text


def xml(value: Any) -> str:
    """As a text, or a value in quotes, of XML or HTML."""
    return _text(value).translate(_XML)


def ini(value: Any) -> str:
    r"""As oslo.config reads it: it strips blanks and one pair of quotes, and ``$NAME`` is another option's value.

    A dollar is written ``\$``, not ``$$``: that is right after a backslash, too.
    """
    text = _line(value, "an INI file").replace("$", "\\$")
    quotes = text[:1] in ("'", '"') and text[0] == text[-1]
    return f'"{text}"' if quotes or text != text.strip() else text


def cnf(value: Any) -> str:
    """As MariaDB reads its option files."""
    text = _text(value)
    return text if _PLAIN.fullmatch(text) else f'"{text.translate(_CNF)}"'


def tojson(value: Any, indent: int | None = None) -> str:
    """JSON as a program reads it, not escaped for HTML."""
    return json.dumps(value, indent=indent, ensure_ascii=False)


def yaml(value: Any) -> str:
    """JSON without the characters that YAML does not print."""
    return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", tojson(value))


def sql(value: Any) -> str:
    """A literal of MariaDB."""
    return str(value) if isinstance(value, int) else f"'{_text(value).translate(_SQL)}'"


def identifier(name: str) -> str:
    """A name of MariaDB: of a database, a table or a column."""
    return f"`{name.replace('`', '``')}`"


def pattern(name: str) -> str:
    """The name of a database as GRANT takes it, where ``_`` and ``%`` stand for any character."""
    return re.sub(r"([\\_%])", r"\\\1", name)


def shell(value: Any) -> str:
    """One word of a shell."""
    return shlex.quote(_text(value))


def erlang(value: Any) -> str:
    """A term: a number, an atom for a truth, or a string."""
    if isinstance(value, int):
        return str(value).lower()
    return f'"{_text(value).translate(_ERLANG)}"'


FORMATS: dict[str, Callable[[Any], str]] = {
    "plain": plain,
    "text": _text,
    "xml": xml,
    "ini": ini,
    "cnf": cnf,
    "json": tojson,
    "yaml": yaml,
    "python": repr,
    "sql": sql,
    "shell": shell,
    "erlang": erlang,
}
_ENDINGS = {"conf": "ini", "py": "python", "yml": "yaml", "sh": "shell", "html": "xml", "txt": "text"}


def format_of(target: str, said: str | None) -> str:
    """The format of a file: the one that is said for it, else what its name ends with, else plain."""
    ending = target.rpartition("/")[2].rpartition(".")[2]
    return said or _ENDINGS.get(ending) or (ending if ending in FORMATS else "plain")
