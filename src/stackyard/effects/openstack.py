"""OpenStack's APIs, over keystoneauth, which is what openstacksdk speaks with; imported when it is used."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from stackyard.errors import StackyardError

if TYPE_CHECKING:
    from keystoneauth1.adapter import Adapter

TIMEOUT = 60.0
"""Seconds that a call may take, from looking up a name to the last byte of the answer."""
LAST = 5.0
"""Seconds that a call may take on after Ctrl-C: only what it has made by then can be deleted."""
NOT_FOUND = 404

T = TypeVar("T")


class ApiError(StackyardError):
    """An API refused, or did not answer; ``status`` is that of HTTP, 0 without an answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message, "`stackyard status` tells whether it runs, `stackyard logs` what it says")
        self.status = status


class NoAnswerError(ApiError):
    """An API did not answer in time."""


class Api:
    """The services of one cloud, signed in with a password when the first is called."""

    def __init__(self, credentials: Mapping[str, str]) -> None:
        from keystoneauth1 import session  # noqa: PLC0415 - a third of a second
        from keystoneauth1.identity import v3  # noqa: PLC0415

        own: dict[str, Any] = dict(credentials)
        self._identity = own["auth_url"]
        self._region = own.pop("region_name", None)
        self._session = session.Session(auth=v3.Password(**own), timeout=TIMEOUT)
        self._session.session.trust_env = False  # a proxy does not know the site's addresses
        self._adapters: dict[str, Adapter] = {}

    def call(
        self,
        service: str,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        data: bytes | None = None,
        version: str | None = None,
        timeout: float = TIMEOUT,
    ) -> Any:
        """Call a service by its type, ``compute``, and return the decoded answer, None when it is empty.

        ``body`` is sent as JSON, ``data`` as it is; ``version`` is a microversion; ``timeout`` is in seconds.
        Raises ApiError, NoAnswerError when it takes longer.
        """
        from keystoneauth1 import exceptions  # noqa: PLC0415

        adapter = self._adapter(service, timeout)

        def ask() -> Any:
            headers = {"Content-Type": "application/octet-stream"} if data is not None else None
            answer = adapter.request(path, method, json=body, data=data, microversion=version, headers=headers)
            return answer.json() if answer.content else None

        where = f"{service} API, {method} {path}"
        try:
            return _within(timeout, ask)
        except exceptions.HttpError as error:
            raise ApiError(f"{where}: {_reason(error)}", error.http_status or 0) from error
        except TimeoutError:
            raise NoAnswerError(f"{where}: no answer from {adapter.endpoint_override} in {timeout:.0f} s") from None
        except (exceptions.ClientException, OSError, ValueError) as error:
            raise ApiError(f"{where}: {error}") from error

    def url(self, service: str, timeout: float = TIMEOUT) -> str:
        """Where a service answers. Raises ApiError when the catalogue has none."""
        from keystoneauth1 import exceptions  # noqa: PLC0415

        def ask() -> str | None:
            return self._session.get_endpoint(
                service_type=service, interface="public", region_name=self._region, skip_discovery=True
            )

        try:
            found = _within(timeout, ask)
        except TimeoutError:
            raise NoAnswerError(f"cannot sign in: no answer from {self._identity} in {timeout:.0f} s") from None
        except (exceptions.ClientException, OSError, ValueError) as error:
            raise ApiError(f"cannot sign in at {self._identity}: {error}") from error
        if not found:
            raise ApiError(f"the catalogue of services has no {service} in the region {self._region}")
        return str(found)

    def _adapter(self, service: str, timeout: float) -> Adapter:
        from keystoneauth1.adapter import Adapter  # noqa: PLC0415

        if service not in self._adapters:
            self._adapters[service] = Adapter(
                self._session, service_type=service, endpoint_override=self.url(service, timeout), connect_retries=3
            )
        return self._adapters[service]


def _within(seconds: float, ask: Callable[[], T]) -> T:
    """Return the answer to a question that may hang; its thread is left behind then. Raises TimeoutError.

    The client's own timeouts are not enough: they count from one byte to the next, and not while a name is looked up.
    """
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except Exception as error:  # noqa: BLE001 - whoever asked gets it
            answer.set_exception(error)

    Thread(target=run, daemon=True).start()
    try:
        return answer.result(seconds)
    except KeyboardInterrupt:
        wait([answer], min(LAST, seconds))
        raise


def _reason(error: Any) -> str:
    """What an API says of its refusal; each has a form of its own."""
    try:
        (answer,) = json.loads(error.response.text).values()
    except (AttributeError, TypeError, ValueError):
        return str(error)
    message = answer.get("message") if isinstance(answer, dict) else answer
    return f"{message} (HTTP {error.http_status})"
