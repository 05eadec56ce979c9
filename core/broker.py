"""The doorbell: Celery messages that say "there is a batch to run on queue X", and never what is in it.

A lost message costs latency (the scheduler rings again), a doubled one finds nothing to claim.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from urllib.parse import parse_qs

from celery import Celery
from redis import Redis
from redis.exceptions import RedisError

from core.settings import Settings
from core.tasks import QUEUES

RUN_BATCH = "tagline.run_batch"
KEY_PREFIX = "tagline:"
RING_CHANNEL = KEY_PREFIX + "rung"  # of pub/sub, for threads that take no Celery messages
LISTEN_S, LISTEN_AGAIN_S = 0.5, 1.0
RING_AT_MOST = 256  # at once; the scheduler tops up to one message per waiting chunk

log = logging.getLogger(__name__)


def make_celery(settings: Settings) -> Celery:
    """The Celery application, for ringing and (with the worker's tasks registered on it) for answering."""
    app = Celery("tagline", broker=_celery_url(settings.redis_url))
    app.conf.update(
        task_ignore_result=True,
        task_default_queue=QUEUES[0],
        task_create_missing_queues=True,
        # Acknowledged on receipt: a message carries nothing, so there is nothing to redeliver.
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        worker_enable_remote_control=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "global_keyprefix": KEY_PREFIX,
            "socket_connect_timeout": 3,
            "socket_timeout": 10,
            "socket_keepalive": True,
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
        },
    )
    return app


def _celery_url(url: str) -> str:
    """The URL as Celery spells it: a socket is redis+socket:// there, and unix:// for redis-py."""
    path, _, query = url.partition("?")
    if not path.startswith("unix://"):
        return url
    number = parse_qs(query).get("db", ["0"])[0]
    return f"redis+socket://{path.removeprefix('unix://')}?virtual_host={number}"


class Doorbell:
    """Rings workers; keeps one pool of connections. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._celery = make_celery(settings)
        self._redis = Redis.from_url(settings.redis_url, socket_connect_timeout=3, socket_timeout=5)

    def ring(self, queue: str, count: int) -> bool:
        """Say `count` times that a queue has a batch; False if the broker could not be reached.

        Never raises because of the broker: the rows are committed, and the scheduler rings for them later.
        """
        try:
            self._redis.publish(RING_CHANNEL, queue)  # first: whoever hears it has nothing else to do
        except (RedisError, OSError):  # Celery would try for seconds while the submitter waits
            log.warning("the broker does not answer; the scheduler will ring", extra={"queue": queue})
            return False
        try:
            # All in one round trip. If it breaks off some may have come, and be sent again: doubled ones do no harm.
            with (
                self._celery.producer_pool.acquire(block=True, timeout=5) as producer,
                producer.batch(RING_AT_MOST),  # type: ignore[attr-defined]  # new in kombu 5.7
            ):
                for _ in range(min(count, RING_AT_MOST)):
                    self._celery.send_task(
                        RUN_BATCH, (queue,), queue=queue, producer=producer, retry=False, declare=[]
                    )  # workers declare the queue, and nothing is bound to an exchange
        except Exception as error:  # kombu, redis and socket errors alike
            log.warning("could not ring the workers; the scheduler will: %s", error, extra={"queue": queue})
            return False
        return True

    def wake(self) -> bool:
        """Make the threads that take no Celery messages look at the rows now; False if the broker does not answer."""
        try:
            self._redis.publish(RING_CHANNEL, "")
        except (RedisError, OSError):
            return False
        return True

    def length(self, queue: str) -> int:
        """The number of messages that wait on a queue.

        Raises:
            RedisError: the broker cannot be reached.
        """
        return int(self._redis.llen(KEY_PREFIX + queue))

    def alive(self) -> bool:
        """Whether the broker answers."""
        try:
            return bool(self._redis.ping())
        except RedisError:
            return False

    def close(self) -> None:
        self._redis.close()
        self._celery.close()


class ChannelListener:
    """Calls `on_message` with each message of a channel, and with b"" after each time the broker could not be reached.

    `on_message` runs on a thread of the listener and must be quick. Messages may be missed, so its user also polls.
    """

    def __init__(self, settings: Settings, channel: str, on_message: Callable[[bytes], object]) -> None:
        self._url = settings.redis_url
        self._channel = channel
        self._on_message = on_message
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_listening, name=f"{channel} listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _keep_listening(self) -> None:
        while not self._stop.is_set():
            try:
                self._listen()
            except (RedisError, OSError) as error:
                log.debug("cannot hear the broker: %s", error)
                self._stop.wait(LISTEN_AGAIN_S)

    def _listen(self) -> None:
        with Redis.from_url(self._url, socket_connect_timeout=3, socket_timeout=5) as redis, redis.pubsub() as channel:
            channel.subscribe(self._channel)
            while not self._stop.is_set():
                found = channel.get_message(timeout=LISTEN_S)
                if found is not None:  # a subscription is confirmed by a message whose data is a number
                    self._on_message(found["data"] if isinstance(found["data"], bytes) else b"")


class DoorbellListener(ChannelListener):
    """Calls `on_ring` with the queue of every ring; with "" when all are meant, also after the broker was away."""

    def __init__(self, settings: Settings, on_ring: Callable[[str], object]) -> None:
        super().__init__(settings, RING_CHANNEL, lambda queue: on_ring(queue.decode(errors="replace")))
