"""Names of images: the prefix that a registry gives them. Grammar: github.com/distribution/reference."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

TAG = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$"
"""A tag of an image, with room for the name of an SDN."""

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


Registry = Annotated[str, AfterValidator(prefix)]
"""A prefix of the names of images, as `prefix` leaves it."""
