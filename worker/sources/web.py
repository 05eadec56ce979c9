"""Inputs at http and https URLs."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from http import HTTPStatus

from core.errors import ItemError
from core.inputs import Validators
from core.memory_budget import Reservation
from core.outbound.http.client import Request, Response
from core.states import Priority
from worker.sources.source import Fetched, SourceContext, converted

# What may succeed a moment later; any other 4xx says that this URL is wrong (RFC 9110, RFC 6585, RFC 8470).
_TRANSIENT = frozenset({408, 425, 429})
_RETRIES = 2
_LONGEST = 500  # of a validator; a longer one is not worth keeping a million times
_HEADERS = {"Accept": "image/*,*/*;q=0.5"}


class WebSource:
    """Fetches through the guarded client; transient failures are tried up to twice more within fetch_timeout_s.

    What is known of a host counts: `host_unresponsive` where it has not answered others, and Postponed where it asks
    for more time than a moment. `HttpClient.hosts.hindrance` tells so before anything is started.
    """

    def __init__(self, context: SourceContext) -> None:
        self._http = context.http
        self._settings = context.settings

    def fetch(
        self, ref: str, tenant_id: str, priority: Priority = Priority.BULK, memory: Reservation | None = None
    ) -> Future[bytes]:
        """See Source. Any status but 2xx is `fetch_http_<status>`; an empty body is for the decoder to judge."""
        return converted(self._ask(ref, priority, {}, memory), _body)

    def fetch_changed(
        self,
        ref: str,
        tenant_id: str,
        known: Validators | None,
        priority: Priority = Priority.BULK,
        memory: Reservation | None = None,
    ) -> Future[Fetched]:
        """See Source. The server is asked on the condition that its bytes are others than those known (RFC 9110,
        section 13.1); its 304 has no body."""
        before = known or Validators()
        conditions = _conditions(before)

        def read(response: Response) -> Fetched:
            said = validators_of(response)
            if response.status == HTTPStatus.NOT_MODIFIED and conditions:
                return Fetched(None, Validators(said.etag or before.etag, said.modified or before.modified))
            return Fetched(_body(response), said)

        return converted(self._ask(ref, priority, conditions, memory), read)

    def close(self) -> None:
        """See Source. The client is closed by its owner."""

    def _ask(
        self, ref: str, priority: Priority, conditions: Mapping[str, str], memory: Reservation | None
    ) -> Future[Response]:
        settings = self._settings
        return self._http.request(
            Request(
                ref,
                headers={**_HEADERS, **conditions},
                timeout_s=settings.fetch_timeout_s,
                max_bytes=settings.fetch_max_bytes,
                max_redirects=settings.fetch_max_redirects,
                accept_encoding=True,
                retries=_RETRIES,
                priority=priority,
                host_aware=True,
                memory=memory,
            )
        )


def validators_of(response: Response) -> Validators:
    """What a server says of the bytes that it sent, as far as it can be said back to it."""
    return Validators(_sayable(response.headers.get("etag")), _sayable(response.headers.get("last-modified")))


def _conditions(known: Validators) -> dict[str, str]:
    given = {"If-None-Match": _sayable(known.etag), "If-Modified-Since": _sayable(known.modified)}
    return {name: value for name, value in given.items() if value is not None}


def _sayable(value: str | None) -> str | None:
    """A header's value that can be sent, and kept."""
    return value if value and len(value) <= _LONGEST and value.isascii() and value.isprintable() else None


def _body(response: Response) -> bytes:
    if 200 <= response.status < 300:
        return response.body
    raise _status_error(response)


def _status_error(response: Response) -> ItemError:
    status = response.status
    permanent = status < 500 and status not in _TRANSIENT
    return ItemError(f"fetch_http_{status}", f"the server answered {status}", permanent=permanent)
