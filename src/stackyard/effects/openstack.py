"""OpenStack's APIs, over keystoneauth, which is what openstacksdk speaks with; imported when it is used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stackyard.effects.limit import within
from stackyard.errors import StackyardError

if TYPE_CHECKING:
    from keystoneauth1.adapter import Adapter

TIMEOUT = 60.0
"""Seconds that a call may take, from looking up a name to the last byte of the answer."""
NOT_FOUND = 404


class ApiError(StackyardError):
    """An API refused, or did not answer; ``status`` is that of HTTP, 0 without an answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message, "`stackyard status` tells whether it runs, `stackyard logs` what it says")
        self.status = status


class NoAnswerError(ApiError):
    """An API did not answer in time."""


class Api:
    """The services of one cloud, signed in with a password when the first is called.

    ``local`` says where what is at a public URL, without its path, answers on this host: that is called, so no name has
    to resolve and no proxy to be there.
    """

    def __init__(self, credentials: Mapping[str, str], local: Mapping[str, str] | None = None) -> None:
        from keystoneauth1 import session  # noqa: PLC0415 - a third of a second
        from keystoneauth1.identity import v3  # noqa: PLC0415

        own: dict[str, Any] = dict(credentials)
        self._local = dict(local or {})
        own["auth_url"] = self._identity = nearest(own["auth_url"], self._local)
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
            return within(timeout, ask)
        except exceptions.HttpError as error:
            raise ApiError(f"{where}: {_reason(error)}", error.http_status or 0) from error
        except TimeoutError:
            raise NoAnswerError(f"{where}: no answer from {adapter.endpoint_override} in {timeout:.0f} s") from None
        except (exceptions.ClientException, OSError, ValueError) as error:
            raise ApiError(f"{where}: {error}") from error

    def url(self, service: str, timeout: float = TIMEOUT) -> str:
        """Where a service is, as the catalogue says it. Raises ApiError when it has none."""
        from keystoneauth1 import exceptions  # noqa: PLC0415

        def ask() -> str | None:
            return self._session.get_endpoint(
                service_type=service, interface="public", region_name=self._region, skip_discovery=True
            )

        try:
            found = within(timeout, ask)
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
                self._session,
                service_type=service,
                endpoint_override=nearest(self.url(service, timeout), self._local),
                connect_retries=3,
            )
        return self._adapters[service]


def nearest(url: str, local: Mapping[str, str]) -> str:
    """A public URL where it answers on this host; as it is when nothing says where. The longest that fits counts."""
    for base in sorted(local, key=len, reverse=True):
        if url == base or url.startswith(f"{base}/"):
            return f"{local[base]}{url.removeprefix(base)}"
    return url


def _reason(error: Any) -> str:
    """What an API says of its refusal; each has a form of its own."""
    try:
        (answer,) = json.loads(error.response.text).values()
    except (AttributeError, TypeError, ValueError):
        return str(error)
    message = answer.get("message") if isinstance(answer, dict) else answer
    return f"{message} (HTTP {error.http_status})"
