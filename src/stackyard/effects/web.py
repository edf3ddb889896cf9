"""What a URL answers to whoever asks from here."""

from __future__ import annotations

import http.client
import ssl
from dataclasses import dataclass
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, HTTPSHandler, ProxyHandler, Request, build_opener

from stackyard.effects.limit import within

MOST = 1_000_000
"""Bytes of an answer that are read."""


@dataclass(frozen=True)
class Answer:
    """Status of HTTP and the text of an answer; without one, ``reason`` in place of both.

    ``location`` is where a redirection leads.
    """

    status: int = 0
    text: str = ""
    reason: str = ""
    location: str = ""


class _Stay(HTTPRedirectHandler):
    """Follows nothing: it is this URL that is asked."""

    def redirect_request(self, *_: object) -> None:
        """Make no other request."""


def ask(url: str, timeout: float) -> Answer:
    """Ask a URL, past all proxies of the environment; certificates count as this host trusts them.

    ``timeout`` is in seconds, from looking up the name to the last byte.
    """
    try:
        return within(timeout, lambda: _ask(url, timeout))
    except TimeoutError:
        return Answer(reason=f"no answer in {timeout:.0f} s")


def _ask(url: str, timeout: float) -> Answer:
    context = ssl.create_default_context()
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context), _Stay)
    request = Request(url, headers={"Accept": "application/json, */*"})  # noqa: S310 - the model lets in http and https
    try:
        with opener.open(request, timeout=timeout) as answer:
            return Answer(answer.status, answer.read(MOST).decode(errors="replace"))
    except HTTPError as error:
        with error:
            location = error.headers.get("Location") or ""
            return Answer(error.code, error.read(MOST).decode(errors="replace"), location=location)
    except (URLError, OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        said = getattr(reason, "verify_message", "") or getattr(reason, "strerror", "") or str(reason)
        return Answer(reason=f"certificate: {said}" if isinstance(reason, ssl.SSLCertVerificationError) else said)
