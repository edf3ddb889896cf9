"""HTTP, as server and as client."""

from __future__ import annotations

import json
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


class Refused(Exception):  # noqa: N818 - it is no error of ours
    """An answer that is no success: status and text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


Handle = Callable[[str, str, dict[str, str], Any, Mapping[str, str]], Any]
"""Method, path, query, body, headers -> the answer: text, or what becomes JSON. Raises Refused."""


def serve(address: str, port: int, handle: Handle, tls: ssl.SSLContext | None = None) -> ThreadingHTTPServer:
    """Answer requests in threads, until the process ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 120

        def answer(self) -> None:
            url = urlsplit(self.path)
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                body = json.loads(data) if data else None
                status, told = 200, handle(self.command, url.path, dict(parse_qsl(url.query)), body, self.headers)
            except Refused as error:
                status, told = error.status, str(error)
            except (KeyError, TypeError, ValueError) as error:
                status, told = 400, f"bad request: {error!r}"
            except Exception as error:  # of any server behind it
                status, told = 503, f"{type(error).__name__}: {error}"
            text = told if isinstance(told, str) else json.dumps(told)
            kind = "application/json" if told is not text else "text/xml" if text.startswith("<?xml") else "text/html"
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    ThreadingHTTPServer.daemon_threads = True
    server = ThreadingHTTPServer((address, port), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def ask(url: str, body: object = None, headers: Mapping[str, str] = {}) -> tuple[Any, Mapping[str, str]]:
    """Return the JSON that a server answers, and its headers. Raises Refused, OSError."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"null"), answer.headers
    except urllib.error.HTTPError as error:
        raise Refused(error.code, f"{url} answers {error.code}: {error.read().decode()[:200]}") from error
