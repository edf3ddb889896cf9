"""OpenStack's APIs, over keystoneauth, which is what openstacksdk speaks with; imported when it is used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stackyard.errors import StackyardError

if TYPE_CHECKING:
    from keystoneauth1.adapter import Adapter

TIMEOUT = 60
NOT_FOUND = 404


class ApiError(StackyardError):
    """An API refused, or did not answer; ``status`` is that of HTTP, 0 without an answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message, "`stackyard status` tells whether it runs, `stackyard logs` what it says")
        self.status = status


class Api:
    """The services of one cloud, signed in with a password when the first is called."""

    def __init__(self, credentials: Mapping[str, str]) -> None:
        from keystoneauth1 import session  # noqa: PLC0415 - a third of a second
        from keystoneauth1.identity import v3  # noqa: PLC0415

        own: dict[str, Any] = dict(credentials)
        self._region = own.pop("region_name", None)
        self._session = session.Session(auth=v3.Password(**own), timeout=TIMEOUT)
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
    ) -> Any:
        """Call a service by its type, ``compute``, and return the decoded answer, None when it is empty.

        ``body`` is sent as JSON, ``data`` as it is; ``version`` is a microversion. Raises ApiError.
        """
        from keystoneauth1 import exceptions  # noqa: PLC0415

        try:
            answer = self._adapter(service).request(
                path,
                method,
                json=body,
                data=data,
                microversion=version,
                headers={"Content-Type": "application/octet-stream"} if data is not None else None,
            )
        except exceptions.HttpError as error:
            raise ApiError(f"{service} API, {method} {path}: {_reason(error)}", error.http_status or 0) from error
        except (exceptions.ClientException, OSError) as error:
            raise ApiError(f"{service} API, {method} {path}: {error}") from error
        return answer.json() if answer.content else None

    def url(self, service: str) -> str:
        """Where a service answers. Raises ApiError when the catalogue has none."""
        from keystoneauth1 import exceptions  # noqa: PLC0415

        try:
            found = self._session.get_endpoint(
                service_type=service, interface="public", region_name=self._region, skip_discovery=True
            )
        except (exceptions.ClientException, OSError) as error:
            raise ApiError(f"cannot sign in: {error}") from error
        if not found:
            raise ApiError(f"the catalogue of services has no {service} in the region {self._region}")
        return str(found)

    def _adapter(self, service: str) -> Adapter:
        from keystoneauth1.adapter import Adapter  # noqa: PLC0415

        if service not in self._adapters:
            self._adapters[service] = Adapter(
                self._session, service_type=service, endpoint_override=self.url(service), connect_retries=3
            )
        return self._adapters[service]


def _reason(error: Any) -> str:
    """What an API says of its refusal; each has a form of its own."""
    try:
        (answer,) = json.loads(error.response.text).values()
    except (AttributeError, TypeError, ValueError):
        return str(error)
    message = answer.get("message") if isinstance(answer, dict) else answer
    return f"{message} (HTTP {error.http_status})"
