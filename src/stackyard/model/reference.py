"""Names of images: their tag, and the prefix of their registry. Grammar: github.com/distribution/reference."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

_TAG = "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$"
"""With room for the name of an SDN."""

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_DOMAIN = rf"(?:{_LABEL}\.)+{_LABEL}"
_HOST = rf"(?:{_DOMAIN}|(?:{_DOMAIN}|{_LABEL}):(?P<port>[0-9]{{1,5}}))"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_PREFIX = re.compile(rf"(?:{_HOST}|{_COMPONENT})(?:/{_COMPONENT})*")
_LONGEST = 200
_HIGHEST_PORT = 65535


def prefix(text: str) -> str:
    """What stands before the names of images, without its last slash. Raises ValueError when no registry takes it."""
    bare = text.removesuffix("/")
    scheme, mark, rest = bare.partition("://")
    if mark:
        raise PydanticCustomError(
            "registry", "it is a URL; leave `{scheme}://` out: {rest}", {"scheme": scheme, "rest": rest}
        )
    if bare.startswith("["):
        raise PydanticCustomError("registry", "not every Docker engine takes an IPv6 address there; write a host name")
    found = _PREFIX.fullmatch(bare)
    if bare and (len(bare) > _LONGEST or not found or int(found["port"] or 0) > _HIGHEST_PORT):
        raise PydanticCustomError("registry", "write `host:port` or `host:port/path`, the path in lower case")
    return bare


def registry(reference: str) -> str:
    """Host of the registry that an image's name begins with; empty without one: never Docker's own hub."""
    host, slash, _rest = reference.partition("/")
    return host if slash and (host == "localhost" or set(".:") & set(host)) else ""


def _tag(text: str) -> str:
    if not re.fullmatch(_TAG, text):
        wanted = "a tag has up to 100 letters, digits, `_`, `.` and `-`, and begins with none of the latter two"
        raise PydanticCustomError("tag", wanted)
    return text


Tag = Annotated[str, AfterValidator(_tag), Field(json_schema_extra={"pattern": _TAG})]
"""A tag of an image."""

Registry = Annotated[str, AfterValidator(prefix)]
"""A prefix of the names of images, as `prefix` leaves it."""
