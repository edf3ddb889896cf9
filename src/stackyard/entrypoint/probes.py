"""Questions with a yes or a no: does a port accept, does a URL answer, is a database bootstrapped."""

# ruff: noqa: PTH110
# pathlib would be one more import, and start-up time counts

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from .expressions import ExpressionError, arguments, evaluate
from .process import answer, quoted
from .session import Session
from .values import mask_credentials

SECONDS = 2.0
COMMAND_SECONDS = 20.0
SERVER_ERROR = 500

Question = Callable[[], "str | None"]
"""None for yes, else what was seen instead."""


def question(probe: Mapping[str, Any], session: Session, env: Mapping[str, str]) -> tuple[str, Question]:
    """A probe with its expressions evaluated: what it asks, in words, and the asking."""
    values = session.values
    if probe.get("tcp") is not None:
        target = evaluate(probe["tcp"], values)
        address = split(target)
        return f"tcp {target}", lambda: tcp(address)
    if probe.get("http") is not None:
        url = evaluate(probe["http"], values)
        return mask_credentials(url), lambda: http(url)
    if probe.get("exec") is not None:
        argv = arguments(probe["exec"], values)
        return quoted(argv), lambda: answer(argv, env, COMMAND_SECONDS)
    if probe.get("file") is not None:
        path = evaluate(probe["file"], values)
        return path, lambda: None if os.path.exists(path) else "it does not exist"
    if probe.get("connected") is not None:
        from .sockets import connected  # noqa: PLC0415 - start-up time

        target = evaluate(probe["connected"], values)
        peer = split(target)
        return f"a connection to {target}", lambda: connected(peer)
    if probe.get("bootstrapped") is not None:
        from .markers import bootstrapped, place  # noqa: PLC0415 - start-up time

        marker = evaluate(probe["bootstrapped"], values)
        step = evaluate(probe["step"], values) if probe.get("step") else None
        identity = session.container.identity
        return str(place(marker)), lambda: bootstrapped(marker, step, identity)
    raise ExpressionError("a probe without a question (a mistake in the catalogue)")


def split(target: str) -> tuple[str, int]:
    """Host and port of ``host:port`` or ``[address]:port``; an IPv6 address needs no brackets."""
    host, _, port = target.rpartition(":")
    if not host or not port.isdigit():
        raise ExpressionError(f"{target!r} is not host:port (a mistake in the catalogue)")
    return host.strip("[]"), int(port)


def tcp(address: tuple[str, int]) -> str | None:
    """Whether a port accepts connections."""
    import socket  # noqa: PLC0415 - start-up time

    try:
        socket.create_connection(address, timeout=SECONDS).close()
    except OSError as error:
        return reason(error)
    return None


def http(url: str) -> str | None:
    """Whether a URL answers with a status below 500. No proxy, and any certificate: it asks for life, not for truth."""
    from http.client import HTTPConnection, HTTPException  # noqa: PLC0415 - start-up time
    from urllib.parse import urlsplit  # noqa: PLC0415

    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ExpressionError(f"{url!r} is not a URL: {error} (a mistake in the catalogue)") from error
    connection = _https(host, port) if parts.scheme == "https" else HTTPConnection(host, port, timeout=SECONDS)
    try:
        connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        status = connection.getresponse().status
    except OSError as error:
        return reason(error)
    except HTTPException as error:
        return f"no HTTP answer: {type(error).__name__}"
    finally:
        connection.close()
    return None if status < SERVER_ERROR else f"status {status}"


def _https(host: str, port: int | None) -> Any:
    import ssl  # noqa: PLC0415 - start-up time
    from http.client import HTTPSConnection  # noqa: PLC0415

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return HTTPSConnection(host, port, timeout=SECONDS, context=context)


def reason(error: OSError) -> str:
    """An operating system's error in words."""
    return (error.strerror or str(error) or type(error).__name__).lower()
