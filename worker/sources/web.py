"""Inputs at http and https URLs."""

from __future__ import annotations

from concurrent.futures import CancelledError, Future

from core.errors import ItemError
from core.outbound.http.client import Request, Response
from core.states import Priority
from worker.sources.source import SourceContext

# What may succeed a moment later; any other 4xx says that this URL is wrong (RFC 9110, RFC 6585, RFC 8470).
_TRANSIENT = frozenset({408, 425, 429})
_RETRIES = 2
_HEADERS = {"Accept": "image/*,*/*;q=0.5"}


class WebSource:
    """Fetches through the guarded client; transient failures are tried up to twice more within fetch_timeout_s.

    What is known of a host counts: `host_unresponsive` where it has not answered others, and Postponed where it asks
    for more time than a moment. `HttpClient.hosts.hindrance` tells so before anything is started.
    """

    def __init__(self, context: SourceContext) -> None:
        self._http = context.http
        self._settings = context.settings

    def fetch(self, ref: str, tenant_id: str, priority: Priority = Priority.BULK) -> Future[bytes]:
        """See Source. Any status but 2xx is `fetch_http_<status>`; an empty body is for the decoder to judge."""
        settings = self._settings
        found: Future[bytes] = Future()
        answer = self._http.request(
            Request(
                ref,
                headers=_HEADERS,
                timeout_s=settings.fetch_timeout_s,
                max_bytes=settings.fetch_max_bytes,
                max_redirects=settings.fetch_max_redirects,
                accept_encoding=True,
                retries=_RETRIES,
                priority=priority,
                host_aware=True,
            )
        )
        answer.add_done_callback(lambda done: _hand_over(done, found))
        found.add_done_callback(lambda done: done.cancelled() and answer.cancel())
        return found

    def close(self) -> None:
        """See Source. The client is closed by its owner."""


def _hand_over(answer: Future[Response], found: Future[bytes]) -> None:
    if not found.set_running_or_notify_cancel():
        return
    try:
        response = answer.result()
    except CancelledError:
        found.set_exception(ItemError("fetch_failed", "the fetch was cancelled", permanent=False))
    except ItemError as error:
        found.set_exception(error)
    else:
        if 200 <= response.status < 300:
            found.set_result(response.body)
        else:
            found.set_exception(_status_error(response))


def _status_error(response: Response) -> ItemError:
    status = response.status
    permanent = status < 500 and status not in _TRANSIENT
    return ItemError(f"fetch_http_{status}", f"the server answered {status}", permanent=permanent)
