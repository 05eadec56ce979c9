"""Sending webhooks from the outbox: Standard Webhooks 1.0, https://www.standardwebhooks.com.

The send is outside any transaction: a slow receiver must not hold a lock. A sender that dies leaves a lease that
lapses, and the delivery is sent again with the same webhook-id, by which receivers recognise it.
"""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from concurrent.futures import Future

from core.errors import ItemError, TaglineError
from core.outbound.http.client import HttpClient
from core.outbound.http.messages import Request, Response
from core.outbound.signing import signed_headers
from core.settings import Settings
from core.states import DeliveryState
from db import outbox
from db.engine import Database
from scheduler.metrics import SchedulerMetrics

log = logging.getLogger(__name__)

# Seconds to wait after each failed attempt; the specification's recommended schedule, about 3 days.
SCHEDULE_S = (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
JITTER = 0.2
RETRY_AFTER_MAX_S = 24 * 3600
AT_A_TIME = 32
PER_HOST = 4  # of them; a receiver that does not answer holds up nobody else
FOR_NEW_HOSTS = 8  # of them, for hosts with nothing on its way: several that do not answer must not fill all places
# The status line is the answer. Of the body, which nobody reads, so much is taken in that the connection can be kept.
ANSWER_MAX_BYTES = 8 * 1024
ANSWER_BODY_S = 2.0
GONE = 410


class WebhookSender:
    """Sends what is due, some at a time; call `send_due` often."""

    def __init__(self, database: Database, http: HttpClient, settings: Settings, metrics: SchedulerMetrics) -> None:
        self._database = database
        self._http = http
        self._timeout_s = settings.webhook_timeout_s
        self._metrics = metrics
        self._sending: dict[Future[Response], tuple[outbox.Outgoing, float]] = {}

    def send_due(self) -> None:
        """Write down what has come back, then start whatever is due, without waiting for any of it."""
        for future in [future for future in self._sending if future.done()]:
            sent, started = self._sending.pop(future)
            self._finish(sent, future, time.monotonic() - started)
        room = AT_A_TIME - len(self._sending)
        if room <= 0:
            return
        lease_ms = round((self._timeout_s * 2 + 30) * 1000)
        busy = Counter(sent.host for sent, _ in self._sending.values())
        with self._database.read() as session:
            if outbox.oldest_due_ms(session) is None:
                return
        with self._database.write() as session:
            limit = max(0, room - FOR_NEW_HOSTS)
            due = outbox.take_due(session, limit=limit, per_host=PER_HOST, busy=busy, lease_ms=lease_ms)
            busy.update(sent.host for sent in due)
            due += outbox.take_due(session, limit=room - len(due), per_host=1, busy=busy, lease_ms=lease_ms)
        for delivery in due:
            self._sending[self._send(delivery)] = (delivery, time.monotonic())

    def _send(self, delivery: outbox.Outgoing) -> Future[Response]:
        body = delivery.body.encode()
        try:
            headers = signed_headers(delivery.secret, delivery.id, int(time.time()), body, delivery.previous_secrets)
        except TaglineError as error:  # an unusable secret must not hold up the other deliveries
            failed: Future[Response] = Future()
            failed.set_exception(ItemError(error.code, error.message))
            return failed
        request = Request(
            url=delivery.url,
            method="POST",
            headers={**headers, "Content-Type": "application/json"},
            body=body,
            timeout_s=self._timeout_s,
            max_bytes=ANSWER_MAX_BYTES,
            status_only=True,
            body_time_s=ANSWER_BODY_S,
        )
        return self._http.request(request)

    def _finish(self, sent: outbox.Outgoing, future: Future[Response], took: float) -> None:
        response, attempt = _attempt(future, took)
        state, retry_in_s = verdict(response, attempt, sent.attempts)
        with self._database.write() as session:
            outbox.record_attempt(session, sent, attempt, state=state, retry_in_ms=round(retry_in_s * 1000))
        self._metrics.deliveries.labels("retry" if state == DeliveryState.PENDING else state).inc()
        log.info(
            "webhook %s", "will be tried again" if state == DeliveryState.PENDING else state,
            extra={
                "job": sent.job_id, "delivery": sent.id, "status": attempt.status, "error": attempt.error_code,
                "retry_in_s": round(retry_in_s) if state == DeliveryState.PENDING else None,
            },
        )  # fmt: skip


def _attempt(future: Future[Response], took: float) -> tuple[Response | None, outbox.Attempt]:
    try:
        response = future.result()
    except ItemError as error:
        return None, outbox.Attempt(None, took, error.code, error.message)
    except Exception as error:
        log.exception("the HTTP client failed in a way that nobody foresaw")
        return None, outbox.Attempt(None, took, "internal_error", type(error).__name__)
    if 200 <= response.status < 300:
        return response, outbox.Attempt(response.status, response.elapsed_s)
    code = "webhook_redirect" if 300 <= response.status < 400 else "webhook_refused"
    message = f"The receiver answered {response.status}; only 2xx counts as received, and redirects are not followed."
    return response, outbox.Attempt(response.status, response.elapsed_s, code, message)


def verdict(response: Response | None, attempt: outbox.Attempt, before: int) -> tuple[DeliveryState, float]:
    """What follows from an attempt: the delivery's state, and the seconds until the next try.

    Args:
        before: attempts made before this one, since it was last started.
    """
    if attempt.error_code is None:
        return DeliveryState.DELIVERED, 0.0
    if attempt.status == GONE or before >= len(SCHEDULE_S):
        return DeliveryState.FAILED, 0.0
    wait = SCHEDULE_S[before] * (1 + random.uniform(0, JITTER))
    asked = response.retry_after_s if response is not None else None
    return DeliveryState.PENDING, max(wait, min(asked or 0.0, RETRY_AFTER_MAX_S))
