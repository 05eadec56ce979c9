"""The one way out: every fetch and every webhook goes through this client, and through its guard.

One background thread drives all transfers; callers hand in requests from any thread and get futures.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

from core.errors import ItemError
from core.outbound.http.exchange import Exchange
from core.outbound.http.hosts import HostStates
from core.outbound.http.loop import Loop
from core.outbound.http.messages import Request, Response
from core.outbound.http.proxy import Proxy
from core.outbound.http.waiting import WaitingRoom
from core.outbound.url_policy import check_url
from core.settings import Settings
from core.version import VERSION

__all__ = ["HttpClient", "Request", "Response"]

log = logging.getLogger(__name__)
# A silent name server would hold up libcurl's clean-up; the thread is a daemon and may be left to it.
_CLOSE_S = 2.0
_WAIT_S = 2.0  # for paused hosts, in here; who is to wait longer should not keep a worker's hands full meanwhile
_AGAIN_S = 0.2


class HttpClient:
    """An HTTP client that judges the address it dials, at every hop, and caps time, bytes and connections.

    `request` may be called from any thread, also from a future's callback. Callbacks run in the client's thread
    and must be quick: while one runs, nothing is transferred.

    Args:
        settings: reads fetch_concurrency, fetch_per_host, fetch_per_host_rate, fetch_connect_timeout_s, fetch_proxy,
            allow_hosts and user_agent.
        hosts: what is known of hosts; as the settings say unless given.
        busy: told the part of the transfers that may be under way which is, from 0 to 1; must be quick.

    Attributes:
        hosts: may be asked from any thread, for instance before something is started that would have to wait.

    Raises:
        ValueError: `allow_hosts` is malformed.
    """

    def __init__(
        self,
        settings: Settings,
        hosts: HostStates | None = None,
        busy: Callable[[float], object] = lambda share: None,
    ) -> None:
        self.hosts = known = hosts or HostStates.of(settings)
        self._allow_hosts = settings.allow_hosts
        check_url("http://localhost/", self._allow_hosts)  # a malformed list shows at the start, not at each fetch
        self._inbox: deque[Callable[[], object]] = deque()
        self._lock = threading.Lock()
        self._closed = False
        self._woken = False
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._proxy = Proxy(settings.fetch_proxy) if settings.fetch_proxy else None
        self._loop = Loop(
            self._wake_in.fileno(),
            connections=settings.fetch_concurrency,
            connect_timeout_s=settings.fetch_connect_timeout_s,
            user_agent=settings.user_agent or f"Tagline/{VERSION}",
            proxy=settings.fetch_proxy,
            hosts=known,
            soon=self._soon,
            busy=busy,
            waiting=lambda: WaitingRoom(
                settings.fetch_concurrency,
                settings.fetch_per_host,
                known,
                rate=settings.fetch_per_host_rate,
                wait_s=_WAIT_S,
                proxy=self._proxy,
                again=self._hand_in,
            ),
        )
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self._thread.start()

    def request(self, request: Request) -> Future[Response]:
        """Start a request, or queue it while all connections are taken.

        Returns:
            A future of the response, whatever its status. It fails with an ItemError: `fetch_timeout`,
            `fetch_refused`, `fetch_dns`, `fetch_tls`, `fetch_too_large`, `fetch_too_many_redirects`,
            `fetch_bad_redirect`, `fetch_truncated`, `fetch_failed`, `address_not_allowed`, `url_invalid`,
            `url_scheme_not_allowed`, `worker_resources`, or, host-aware, `host_unresponsive` or `host_paused`
            (Postponed). It can be cancelled until its transfer starts.
        """
        try:
            exchange = Exchange(request, self._allow_hosts)
        except ItemError as error:
            return _failed(error)
        if not self._hand_in(exchange):
            return _failed(_closing())
        return exchange.future

    def close(self) -> None:
        """Stop at once; what is under way fails with `fetch_failed`. May be called twice."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._wake()
        if self._proxy is not None:
            self._proxy.close()
        if threading.current_thread() is not self._thread:
            self._thread.join(_CLOSE_S)

    def _hand_in(self, exchange: Exchange) -> bool:
        return self._soon(partial(self._loop.add, exchange))

    def _soon(self, work: Callable[[], object]) -> bool:
        """Have some work done in the loop's thread; False: this is closed."""
        with self._lock:
            if not self._closed:
                self._inbox.append(work)
                self._wake()
            return not self._closed

    def _wake(self) -> None:
        if not self._woken:
            self._woken = True
            self._wake_out.send(b"\0")

    def _run(self) -> None:
        try:
            while not self._closed:
                try:
                    if self._loop.turn():
                        self._take_in()
                except Exception:
                    log.exception("the HTTP client starts over")
                    self._start_over()
        finally:
            self._take_in()
            self._loop.end(_closing())
            self._wake_in.close()
            self._wake_out.close()

    def _start_over(self) -> None:
        while not self._closed:
            try:
                self._loop.start_over(ItemError("fetch_failed", "the HTTP client had to start over", permanent=False))
                return
            except OSError:  # out of file descriptors; what is there has been failed
                log.exception("the HTTP client cannot start over yet")
                time.sleep(_AGAIN_S)

    def _take_in(self) -> None:
        with self._lock:
            if self._woken:
                self._wake_in.recv(64)
                self._woken = False
            arrived, self._inbox = self._inbox, deque()
        for work in arrived:
            work()


def _closing() -> ItemError:
    return ItemError("fetch_failed", "the worker is shutting down", permanent=False)


def _failed(error: ItemError) -> Future[Response]:
    future: Future[Response] = Future()
    future.set_exception(error)
    return future
