"""Lines to standard error, with secrets taken out."""

from __future__ import annotations

import sys
from collections.abc import Iterable

MASK = "********"
SHORTEST = 4  # a shorter secret would mask half of every message

_secrets: list[str] = []


def hide(secrets: Iterable[str]) -> None:
    """Never print one of these again, as it is or as a URL, SQL, JSON or an INI file has it."""
    for secret in (line for each in secrets for line in each.splitlines()):
        if len(secret) >= SHORTEST and secret not in _secrets:
            _secrets.append(secret)
            if not secret.isalnum():
                from urllib.parse import quote  # noqa: PLC0415 - rarely needed, and start-up time counts

                doubled = secret.replace("\\", "\\\\")
                forms = {quote(secret, safe="*"), doubled.replace("'", "''"), doubled.replace('"', '\\"')}
                _secrets.extend(forms | {secret.replace("$", "\\$")})
    _secrets.sort(key=len, reverse=True)


def redact(text: str) -> str:
    """The text with every hidden secret masked."""
    for secret in _secrets:
        text = text.replace(secret, MASK)
    return text


def say(*lines: str) -> None:
    """Write lines that are recognisable among those of the process that follows."""
    sys.stderr.write("".join(f"stackyard: {redact(line)}".rstrip() + "\n" for line in lines))
    sys.stderr.flush()
