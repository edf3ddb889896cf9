"""Where a site is found from outside: the name in its URLs, and the address of the host that its ports are bound to."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from stackyard.model.base import Model

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_LONGEST = 253
_LOOPBACK = IPv4Address("127.0.0.1")


def as_text(value: Any) -> Any:
    """What a number, such as 172.31, would be as an address is not what anybody meant."""
    return str(value) if isinstance(value, int | float) else value


Address = Annotated[IPv4Address | IPv6Address, BeforeValidator(as_text)]


def _is_name(host: str) -> bool:
    labels = host.removesuffix(".").split(".")
    return len(host) <= _LONGEST and all(map(_LABEL.fullmatch, labels)) and not labels[-1].isdigit()


def _host(value: Any) -> Any:
    """An address, or else a name. Says what to write where it is neither."""
    host = as_text(value)
    if not isinstance(host, str):
        return host
    try:
        return ip_address(host)
    except ValueError:
        pass
    told = {"host": host}
    if "://" in host:
        scheme, _, rest = host.partition("://")
        told |= {"scheme": scheme, "rest": re.split("[:/?#]", rest)[0]}
        raise PydanticCustomError("host", "`{host}` is a URL; write `address: {rest}` and `scheme: {scheme}`", told)
    name, colon, port = host.rpartition(":")
    if colon and port.isdigit() and _is_name(name):
        told["name"] = name
        remedy = "write `address: {name}`; `urls:` is for endpoints at other ports"
        raise PydanticCustomError("host", f"`{{host}}` has a port in it; {remedy}", told)
    if not _is_name(host):
        message = "`{host}` is neither an IP address nor a host name; write it as 192.0.2.10 or cloud.example.org"
        raise PydanticCustomError("host", message, told)
    return host.removesuffix(".").lower()


def _url(value: str) -> str:
    """A URL as it is compared: without a slash at its end."""
    told = {"url": value}
    example = "write it as https://cloud.example.org/identity"
    try:
        parts = urlsplit(value)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        raise PydanticCustomError("url", f"`{{url}}` is not a URL; {example}", told) from None
    if "://" not in value:
        raise PydanticCustomError("url", "`{url}` has no scheme; begin it with https:// or http://", told)
    if parts.scheme not in {"http", "https"}:
        raise PydanticCustomError("url", "`{url}` is neither https nor http; begin it with https:// or http://", told)
    if parts.username is not None or parts.query or parts.fragment or re.search(r"[\s?#]", value):
        wrong = "a user, a blank, a query or a fragment"
        raise PydanticCustomError("url", f"`{{url}}` has {wrong} in it; {example}", told)
    if not (_is_name(host) or _is_ip(host)):
        raise PydanticCustomError("url", f"`{{url}}` has no host that there could be; {example}", told)
    return value.rstrip("/")


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _origin(value: str) -> str:
    """Scheme, host and perhaps port, which is all that a browser tells of a page."""
    origin = _url(value)
    if urlsplit(origin).path:
        told = {"url": value, "origin": "{0.scheme}://{0.netloc}".format(urlsplit(origin))}
        raise PydanticCustomError("origin", "`{url}` has a path, and an origin has none; write {origin}", told)
    return origin


Host = Annotated[IPv4Address | IPv6Address | str, BeforeValidator(_host)]
Url = Annotated[str, AfterValidator(_url)]
Origin = Annotated[str, AfterValidator(_origin)]


class Publish(Model):
    """Where the ports of virtual nodes appear on the host, and what the URLs say that the site is known by."""

    address: Host = Field(
        default=_LOOPBACK,
        description="IP address, or host name, in the URLs that the site is known by. 0.0.0.0 stands for the address "
        "that other machines reach the host at.",
    )
    bind: Address | None = Field(
        default=None,
        description="Address of the host that ports appear on, 0.0.0.0 for all; default: `address`, and 127.0.0.1 when "
        "that is a name, for a proxy on the same host.",
    )
    scheme: Literal["http", "https"] = Field(
        default="http",
        description="What the URLs begin with. The ports themselves speak HTTP: with https a proxy stands before them.",
    )
    offset: int = Field(default=0, ge=0, description="Added to each port, so that two sites fit on one host.")
    urls: dict[str, Url] = Field(
        default_factory=dict,
        description="Endpoint -> URL at which a proxy serves it, without the version of its API, where that is not "
        "`scheme`, `address` and its port.",
    )
    origins: tuple[Origin, ...] | None = Field(
        default=None,
        description="Web pages, as `https://dashboard.example.org`, that may call the APIs from a browser; default: "
        "those at `scheme` and `address`, when that is a name, and else none.",
    )

    @property
    def named(self) -> str:
        """The host name that the site is known by, if it is one."""
        return self.address if isinstance(self.address, str) else ""

    @property
    def listens(self) -> IPv4Address | IPv6Address:
        """Address of the host that ports appear on."""
        return self.bind or (_LOOPBACK if isinstance(self.address, str) else self.address)

    @property
    def elsewhere(self) -> bool:
        """Whether the URLs say something else than where the ports appear."""
        return bool(self.named or self.bind or self.urls) or self.scheme != "http"

    @property
    def bound_by(self) -> str:
        """Key that says on which address ports appear."""
        return "bind" if self.bind else "address"

    @property
    def allowed(self) -> tuple[str, ...]:
        """Origins of the web pages that may call the APIs."""
        if self.origins is not None:
            return self.origins
        return (f"{self.scheme}://{self.named}",) if self.named else ()
