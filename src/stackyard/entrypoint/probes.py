"""Questions with a yes or a no: does a port accept, does a URL answer, is a database bootstrapped."""

# ruff: noqa: PTH116
# pathlib would be one more import, and start-up time counts

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from time import time
from typing import Any

from .expressions import ExpressionError, arguments, evaluate
from .process import answer, quoted
from .session import Session
from .values import mask_credentials

SECONDS = 2.0
COMMAND_SECONDS = 20.0
SERVER_ERROR = 500
REFUSED = "connection refused"
LONGEST = 1 << 20
"""Bytes of an answer that are read."""

Question = Callable[[], "str | None"]
"""None for yes, else what was seen instead."""


def question(probe: Mapping[str, Any], session: Session, env: Mapping[str, str]) -> tuple[str, Question]:
    """A probe with its expressions evaluated: what it asks, in words, and the asking."""
    ((kind, value),) = ((key, probe[key]) for key in KINDS if key in probe)
    return KINDS[kind](value, probe, session, env)


def _tcp(target: str, _probe: Any, session: Session, _env: Any) -> tuple[str, Question]:
    target = evaluate(target, session.context)
    address = split(target)
    return f"tcp {target}", lambda: tcp(address)


def _http(url: str, probe: Any, session: Session, env: Any) -> tuple[str, Question]:
    url = evaluate(url, session.context)

    def ask() -> str | None:
        seen = http(url, probe.get("ca"), probe.get("says"), probe.get("reason"))
        if seen == REFUSED and probe.get("standby"):
            return seen if _connected(probe["standby"], probe, session, env)[1]() else None
        return seen

    return mask_credentials(url), ask


def _exec(command: Sequence[str], _probe: Any, session: Session, env: Mapping[str, str]) -> tuple[str, Question]:
    argv = arguments(command, session.context)
    return quoted(argv), lambda: answer(argv, env, COMMAND_SECONDS)


def _file(path: str, probe: Any, session: Session, _env: Any) -> tuple[str, Question]:
    path, within, after = evaluate(path, session.context), probe.get("within"), probe.get("after")
    return path, lambda: _written(path, within, after)


def _written(path: str, within: int | None, after: str | None) -> str | None:
    """Whether a file is there, and was written in the last seconds, and after the start of another container."""
    try:
        written = os.stat(path).st_mtime
    except OSError:
        return "it does not exist"
    name, _, start = (after or "").rpartition("=")
    age = time() - written
    if start and written < float(start):
        return f"it was written {age:.0f} s ago, before {name} was started"
    return f"it was written {age:.0f} s ago" if within and age > within else None


def _endpoint(name: str, _probe: Any, session: Session, env: Any) -> tuple[str, Question]:
    """Whether one of its members works."""
    endpoint = session.endpoint(name)
    if endpoint.check is None:
        return f"tcp {', '.join(endpoint.members)}", lambda: any_of(tcp, [split(each) for each in endpoint.members])
    return question({**endpoint.probe(), "ca": endpoint.ca}, session, env)


def _connected(name: str, _probe: Any, session: Session, _env: Any) -> tuple[str, Question]:
    """Whether a process of this container is connected to one of its members."""
    from .sockets import connected  # noqa: PLC0415 - start-up time

    members = session.endpoint(name).members
    return f"a connection to {', '.join(members)}", lambda: any_of(connected, [split(each) for each in members])


def _steps(steps: Mapping[str, Sequence[str]], probe: Any, session: Session, _env: Any) -> tuple[str, Question]:
    """Whether bootstrap steps are done, as their database remembers it."""
    from .markers import at_values, unfinished, where  # noqa: PLC0415 - start-up time

    database, names = session.endpoint(probe["marker"]), probe.get("values", {})
    known = {step: at_values(each, names.get(step, ()), session.values) for step, each in steps.items()}
    return where(database), lambda: unfinished(database, known)


KINDS: dict[str, Callable[..., tuple[str, Question]]] = {
    "tcp": _tcp,
    "http": _http,
    "exec": _exec,
    "file": _file,
    "endpoint": _endpoint,
    "connected": _connected,
    "steps": _steps,
}


def any_of(ask: Callable[[tuple[str, int]], str | None], addresses: Sequence[tuple[str, int]]) -> str | None:
    """None when the answer of one of them is yes, else what was seen at the last."""
    seen: str | None = "it has no host"
    for address in addresses:
        seen = ask(address)
        if seen is None:
            break
    return seen


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


def http(url: str, ca: str | None = None, says: str | None = None, why: str | None = None) -> str | None:
    """Whether a URL answers with a status below 500, without any proxy.

    What it answers has the regular expression ``says`` in it, or else tells with the group of ``why`` what is wrong. A
    certificate is checked when there is the ``ca`` to check it with, a file; without one any will do.
    """
    from http.client import HTTPConnection, HTTPException  # noqa: PLC0415 - start-up time
    from urllib.parse import urlsplit  # noqa: PLC0415

    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ExpressionError(f"{url!r} is not a URL: {error} (a mistake in the catalogue)") from error
    connection = _https(host, port, ca) if parts.scheme == "https" else HTTPConnection(host, port, timeout=SECONDS)
    try:
        connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        answer = connection.getresponse()
        status, text = answer.status, answer.read(LONGEST).decode(errors="replace") if says else ""
    except OSError as error:
        return reason(error)
    except HTTPException as error:
        return f"no HTTP answer: {type(error).__name__}"
    finally:
        connection.close()
    if status >= SERVER_ERROR:
        return f"status {status}"
    return _told(text, says, why) if says else None


def _told(text: str, says: str, why: str | None) -> str | None:
    """What is wrong with an answer."""
    import re  # noqa: PLC0415 - start-up time

    if re.search(says, text):
        return None
    found = dict.fromkeys(each.strip() for each in re.findall(why, text)) if why else {}
    return "; ".join(each for each in found if each) or "another answer than that of one that works"


def _https(host: str, port: int | None, ca: str | None) -> Any:
    import ssl  # noqa: PLC0415 - start-up time
    from http.client import HTTPSConnection  # noqa: PLC0415

    context = ssl.create_default_context(cafile=ca)
    if ca is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return HTTPSConnection(host, port, timeout=SECONDS, context=context)


def reason(error: OSError) -> str:
    """An operating system's error in words."""
    return (error.strerror or str(error) or type(error).__name__).lower()
