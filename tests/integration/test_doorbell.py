"""Ringing: many messages at once, each as Celery itself would have sent it."""

from __future__ import annotations

import json
from typing import Any

from redis import Redis

from core.broker import KEY_PREFIX, RING_AT_MOST, RUN_BATCH, Doorbell, make_celery
from core.settings import Settings

ITS_OWN = ("id", "root_id", "correlation_id", "delivery_tag", "reply_to")  # the last names the sending application


def messages(redis: Redis, queue: str) -> list[dict[str, Any]]:
    """What waits on a queue, the oldest first; nothing does afterwards."""
    with redis.pipeline() as pipe:
        found = pipe.lrange(KEY_PREFIX + queue, 0, -1).delete(KEY_PREFIX + queue).execute()[0]
    return [json.loads(one) for one in reversed(found)]


def without_ids(message: dict[str, Any]) -> dict[str, Any]:
    parts = {name: {**message[name]} for name in ("headers", "properties")}
    for name in ITS_OWN:
        for part in parts.values():
            part.pop(name, None)
    return {**message, **parts}


def test_a_ring_is_one_round_trip(redis_url: str) -> None:
    """Fails if the messages go one by one: the server then reads once for each of them, at least."""
    bell = Doorbell(Settings(redis_url=redis_url))
    with Redis.from_url(redis_url) as redis:
        messages(redis, "image")
        assert bell.ring("image", 1)
        before = redis.info("stats")["total_reads_processed"]
        assert bell.ring("image", RING_AT_MOST + 1000)
        reads = redis.info("stats")["total_reads_processed"] - before
        assert bell.length("image") == RING_AT_MOST + 1
        messages(redis, "image")
    bell.close()
    assert (
        reads < RING_AT_MOST // 2
    )  # a read takes some 16 KiB, and the tests beside this one have servers of their own


def test_each_message_is_the_one_that_celery_sends(redis_url: str) -> None:
    """Fails if a message lacks something, or shares with another what tells them apart: acknowledging one would then
    acknowledge both."""
    settings = Settings(redis_url=redis_url)
    bell, celery = Doorbell(settings), make_celery(settings)
    with Redis.from_url(redis_url) as redis:
        messages(redis, "text")
        celery.send_task(RUN_BATCH, ("text",), queue="text", retry=False)
        bell.ring("text", 40)
        expected, *found = messages(redis, "text")
    celery.close()
    bell.close()
    assert [without_ids(message) for message in found] == [without_ids(expected)] * 40
    for part, name in (("headers", "id"), ("properties", "delivery_tag"), ("properties", "correlation_id")):
        assert len({message[part][name] for message in (expected, *found)}) == 41


def test_a_broker_that_is_gone_is_no_error() -> None:
    """The rows are committed; the scheduler rings later."""
    bell = Doorbell(Settings(redis_url="redis://127.0.0.1:1/0"))
    assert not bell.ring("image", 3)
    bell.close()
