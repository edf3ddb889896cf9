"""Endpoints: network services by name, with the hosts, ports and credentials that the environment gives them.

An image says of each endpoint that it knows what does not change (scheme, port, path, how to ask whether it works) and
which variables of its contract hold the rest: ``hosts``, ``port``, ``url``, ``user``, ``password``, ``path``, ``ca``.
The plan makes the same objects for a whole site.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .expressions import ExpressionError, hostport


class Endpoint:
    """A network service that may have several members; in a template ``endpoint('identity')``."""

    def __init__(
        self,
        name: str,
        definition: Mapping[str, Any],
        hosts: Sequence[str],
        *,
        port: int | None = None,
        url: str | None = None,
        user: str | None = None,
        password: str | None = None,
        path: str | None = None,
        public: str | None = None,
        ca: str | None = None,
    ) -> None:
        self.name = name
        self.title: str = definition.get("title") or name
        self.scheme: str = definition.get("scheme") or "tcp"
        self.check: str | None = definition.get("check")
        self.hosts = list(hosts)
        self.port: int = port or definition["port"]
        self.user, self.password = user, password
        self.path: str = definition.get("path") or ""
        self.public = public
        self.ca = ca
        if path is not None:
            self.path = "/" + _quoted(path)
        self._url = url
        if url and self.members[:1] != [_place(url)[0]]:
            _, host, number = _place(url)
            self.hosts, self.port = [host], number

    @property
    def host(self) -> str:
        """The host to call: the first."""
        if not self.hosts:
            raise ExpressionError(f"the endpoint {self.name} has no host")
        return self.hosts[0]

    @property
    def members(self) -> list[str]:
        """``host:port`` of each member."""
        return [hostport(host, self.port) for host in self.hosts]

    @property
    def address(self) -> str:
        """``host:port`` to call."""
        return hostport(self.host, self.port)

    @property
    def credentials(self) -> str:
        """``user:password``, quoted for a URL."""
        return f"{_quoted(self.user)}:{_quoted(self.password)}" if self.user else ""

    @property
    def origin(self) -> str:
        """``scheme://host:port``, without credentials."""
        if self._url:
            scheme, _, rest = self._url.partition("://")
            return f"{scheme}://{rest.partition('/')[0]}"
        return f"{self.scheme}://{self.address}"

    @property
    def url(self) -> str:
        """The whole URL, with credentials where there are some."""
        if self._url:
            return self._url
        sign_in = f"{self.credentials}@" if self.user else ""
        return f"{self.scheme}://{sign_in}{self.address}{self.path}"

    def probe(self) -> dict[str, str]:
        """How to ask from anywhere whether it works: a URL that answers, or a port that accepts."""
        return {"tcp": self.address} if self.check is None else {"http": f"{self.origin}{self.check}"}


def _place(url: str) -> tuple[str, str, int]:
    """Of a URL: ``host:port``, the host without brackets, the port."""
    scheme, _, rest = url.partition("://")
    place = rest.partition("/")[0].rpartition("@")[2]
    host, _, port = place.rpartition(":")
    if not port.isdigit():
        host, port = place, "443" if scheme == "https" else "80"
    return place, host.strip("[]"), int(port)


def _quoted(text: str | None) -> str:
    from urllib.parse import quote  # noqa: PLC0415 - start-up time

    return quote(text or "", safe="*")


def from_environment(definitions: Mapping[str, Mapping[str, Any]], name: str, values: Mapping[str, Any]) -> Endpoint:
    """The endpoint as the values of a contract say it. ExpressionError when the image knows none of that name."""
    if name not in definitions:
        raise ExpressionError(f"this image knows no endpoint {name!r} (a mistake in the catalogue)")
    definition = definitions[name]
    given = {part: values.get(variable) for part, variable in (definition.get("variables") or {}).items()}
    hosts = given.pop("hosts", None) or []
    given.pop("public", None)
    return Endpoint(name, definition, hosts if isinstance(hosts, list) else [hosts], **given)
