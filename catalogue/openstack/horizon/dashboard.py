"""Horizon as gunicorn serves it: static files, a health check that asks for work, and a first page that is ready.

Horizon imports its panels and compiles its templates with the first request, which takes seconds. That request is made
here, before the worker takes any.
"""

import io
import logging
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.http.request import split_domain_port, validate_host
from django.utils.module_loading import import_string
from openstack_dashboard.wsgi import application as horizon
from whitenoise import WhiteNoise

LOG = logging.getLogger("dashboard")
LOGIN = "/auth/login/"
HASHED = re.compile(r"\.[0-9a-f]{12}\.(js|css)$")
UNKNOWN = (
    "The dashboard is not published as {}. Use the address that its operator has given you; "
    "the operator allows more of them with ALLOWED_HOSTS."
)
FORGED = "{} The dashboard takes forms that were opened at the address that it is published under: PUBLIC_URL."

Start = Callable[..., Any]


def login_page() -> str:
    """Status of the page that people sign in on."""
    statuses = []

    def start(status: str, *_headers: object) -> None:
        statuses.append(status)

    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": LOGIN,
        "QUERY_STRING": "",
        "SERVER_NAME": settings.ALLOWED_HOSTS[0],
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": settings.ALLOWED_HOSTS[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    answer = horizon(environ, start)
    b"".join(answer)
    answer.close()
    return statuses[0]


def lacks() -> str:
    """What is in the way of somebody who wants to sign in; nothing when all works."""
    status = login_page()
    if not status.startswith("200"):
        return f"the login page answers {status}"
    try:
        cache.set("healthcheck", "works", 60)
        if cache.get("healthcheck") != "works":
            return "memcached forgets what it is given, so nobody stays signed in"
    except Exception as error:  # noqa: BLE001 - each of its client's and of the system's
        return f"memcached does not work, so nobody can sign in: {error}"
    url = settings.OPENSTACK_KEYSTONE_URL
    try:
        answer = requests.get(url, timeout=5)
    except requests.RequestException as error:
        return f"{urlsplit(url).netloc} does not answer, so nobody can sign in: {type(error).__name__}"
    return "" if answer.ok else f"{url} answers {answer.status_code}, so nobody can sign in"


def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    """Horizon; before it the health check, and a clear word to who asks under a wrong name."""
    named = environ.get("HTTP_HOST", "")
    if not validate_host(split_domain_port(named)[0], settings.ALLOWED_HOSTS):
        LOG.warning("refused a request for host %r: it is not among %s", named, ", ".join(settings.ALLOWED_HOSTS))
        return plain(start_response, "400 Bad Request", UNKNOWN.format(named))
    if environ.get("PATH_INFO") != "/healthcheck":
        return dashboard(environ, start_response)
    said = lacks()
    return plain(start_response, "503 Service Unavailable" if said else "200 OK", said or "works")


def refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The answer to a form that may be forged; Horizon's own sends people to look for their cookies."""
    if "Origin" not in reason and "Referer" not in reason:
        return import_string("openstack_dashboard.views.csrf_failure")(request, reason)
    return HttpResponseForbidden(FORGED.format(reason), content_type="text/plain; charset=utf-8")


def plain(start_response: Start, status: str, text: str) -> Iterable[bytes]:
    """An answer of one line."""
    start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [text.encode()]


def immutable(_path: str, url: str) -> bool:
    """Whether a file's name has a digest of its contents."""
    return HASHED.search(url) is not None


dashboard = WhiteNoise(horizon, root=settings.STATIC_ROOT, prefix="static/", immutable_file_test=immutable)
login_page()
