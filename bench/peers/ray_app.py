"""Ray Serve: dynamic request batching, and as many replicas as keep the cores busy.

https://docs.ray.io/en/latest/serve/advanced-guides/dyn-req-batch.html: @serve.batch with max_batch_size,
batch_wait_timeout_s and max_concurrent_batches; what blocks runs on threads (asyncio best practices).
"""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import ray
from ray import serve
from starlette.requests import Request

from bench.peers.photo_model import BATCH, WAIT_S, Classifier, Photos, cores, port


@serve.deployment(num_replicas=1, max_ongoing_requests=64, ray_actor_options={"num_cpus": 1})
class Classify:
    def __init__(self) -> None:
        self.classifier = Classifier()
        self.photos = Photos(self.classifier.size)

    @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=WAIT_S, max_concurrent_batches=2)  # type: ignore[untyped-decorator]
    async def predict(self, pixels: list[Any]) -> list[Any]:
        return await asyncio.to_thread(self.classifier.predict, pixels)

    async def __call__(self, request: Request) -> dict[str, Any]:
        asked = await request.json()
        pixels = await asyncio.to_thread(self.photos.one, asked["url"])
        return {"labels": await self.predict(pixels)}


if __name__ == "__main__":
    ray.init(num_cpus=cores(), include_dashboard=False, logging_level="warning", log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": port()}, logging_config={"log_level": "WARNING"})
    serve.run(Classify.bind(), route_prefix="/")  # type: ignore[attr-defined]
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
    serve.shutdown()
    ray.shutdown()
