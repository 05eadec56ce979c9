"""BentoML: adaptive batching, as its documentation recommends it.

https://docs.bentoml.com/en/latest/get-started/adaptive-batching.html: batchable=True, max_batch_size; and concurrency
to match. Its latency bound is generous: with a short one it refuses requests (503) instead of being late.
"""

from __future__ import annotations

from typing import Any

import bentoml

from bench.peers.photo_model import BATCH, Classifier, Photos

CLIENTS = 64


@bentoml.service(workers=1, traffic={"timeout": 120, "max_concurrency": CLIENTS}, metrics={"enabled": False})
class Classify:
    def __init__(self) -> None:
        self.classifier = Classifier()
        self.photos = Photos(self.classifier.size)

    @bentoml.api(batchable=True, max_batch_size=BATCH, max_latency_ms=30_000)  # type: ignore[untyped-decorator]
    def predict(self, url: list[str]) -> list[dict[str, Any]]:
        return [{"labels": labels} for labels in self.classifier.predict(self.photos.many(url))]
