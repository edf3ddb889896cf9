"""The APIs' client against servers that answer, and that hang in each way there is."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from stackyard.effects.openstack import Api, ApiError, NoAnswerError, nearest

SERVICES = ("compute", "image", "network")
LITTLE, ENOUGH = 0.3, 60.0


class Handler(BaseHTTPRequestHandler):
    """Keystone at /v3, and a service at each /NAME; ``server.hangs`` says how which of them answers."""

    server: Any

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def do_POST(self) -> None:
        """Sign in."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(
            "identity", {"token": {"expires_at": "2099-01-01T00:00:00Z", "methods": [], "catalog": self.catalog()}}
        )

    def do_GET(self) -> None:
        """Ask a service."""
        self.answer(self.path.split("/")[1], {"servers": []})

    def catalog(self) -> list[Any]:
        url = self.server.public or f"http://127.0.0.1:{self.server.server_port}"
        return [
            {"type": name, "endpoints": [{"interface": "public", "region_id": "R", "url": f"{url}/{name}"}]}
            for name in SERVICES
        ]

    def answer(self, service: str, body: Any) -> None:
        how = self.server.hangs.get(service)
        over: threading.Event = self.server.over
        if how == "silent":
            over.wait(ENOUGH)
        text = b"<html>" if how == "no JSON" else json.dumps(body).encode()
        self.send_response(201 if service == "identity" else 200)
        self.send_header("X-Subject-Token", "a token")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        for byte in text:
            if how == "a byte at a time" and over.wait(LITTLE / 3):
                return
            self.wfile.write(bytes([byte]))
            self.wfile.flush()


@contextmanager
def cloud(public: str = "", **hangs: str) -> Iterator[Api]:
    """An API, signed in nowhere yet, whose services hang as said; ``public`` is the URL that it is known by."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.hangs, server.over, server.public = hangs, threading.Event(), public
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    here = f"http://127.0.0.1:{server.server_port}"
    credentials = {"auth_url": f"{public or here}/v3", "username": "u", "password": "p"}
    credentials |= {"project_name": "p", "user_domain_name": "d", "project_domain_name": "d", "region_name": "R"}
    try:
        yield Api(credentials, {public: here} if public else None)
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()


def call(api: Api, service: str, timeout: float) -> Any:
    return api.call(service, "GET", "/things", timeout=timeout)


@pytest.mark.parametrize("service", SERVICES)
def test_it_answers(service: str) -> None:
    with cloud() as api:
        assert call(api, service, ENOUGH) == {"servers": []}


@pytest.mark.parametrize("service", SERVICES)
def test_what_has_a_public_name_is_called_on_this_host(service: str) -> None:
    with cloud("https://cloud.invalid/path") as api:
        assert api.url(service) == f"https://cloud.invalid/path/{service}"
        assert call(api, service, ENOUGH) == {"servers": []}


@pytest.mark.parametrize(
    ("url", "called"),
    [
        ("https://x/a/v3", "http://here:1/v3"),
        ("https://x/a", "http://here:1"),
        ("https://x/ab/v3", "https://x/ab/v3"),
        ("https://x/a/b/v2", "http://here:2/v2"),
        ("https://y/a/v3", "https://y/a/v3"),
    ],
)
def test_the_longest_public_url_that_fits_counts(url: str, called: str) -> None:
    assert nearest(url, {"https://x/a": "http://here:1", "https://x/a/b": "http://here:2"}) == called


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("how", ["silent", "a byte at a time"])
def test_a_service_that_hangs(service: str, how: str) -> None:
    with cloud(**{service: how}) as api:
        api.url(service)
        with pytest.raises(NoAnswerError, match=rf"^{service} API, GET /things: no answer from http://127.0.0.1:\d+/"):
            call(api, service, LITTLE)
        others = [call(api, other, ENOUGH) for other in SERVICES if other != service]
        assert others == [{"servers": []}, {"servers": []}]


@pytest.mark.parametrize("how", ["silent", "a byte at a time"])
def test_nobody_can_sign_in(how: str) -> None:
    with cloud(identity=how) as api:
        for ask in (lambda: api.url("image", LITTLE), lambda: call(api, "compute", LITTLE)):
            with pytest.raises(NoAnswerError, match=r"^cannot sign in: no answer from http://127.0.0.1:\d+/v3 in 0 s"):
                ask()


def test_an_identity_that_answers_nonsense() -> None:
    with (
        cloud(identity="no JSON") as api,
        pytest.raises(ApiError, match=r"^cannot sign in at http://127.0.0.1:\d+/v3: "),
    ):
        api.url("image")


def test_a_name_that_is_looked_up_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    real: Callable[..., Any] = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda *where, **how: over.wait(ENOUGH) and real(*where, **how))
    with cloud() as api:
        with pytest.raises(NoAnswerError, match="cannot sign in: no answer from"):
            api.url("compute", LITTLE)
        over.set()


def test_an_answer_that_is_no_json_is_an_error_and_names_the_api() -> None:
    with cloud(image="no JSON") as api, pytest.raises(ApiError, match=r"^image API, GET /things: "):
        call(api, "image", ENOUGH)


def test_no_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with cloud() as api:
        assert call(api, "compute", ENOUGH) == {"servers": []}
