"""LitServe: batches, and a thread pool that prepares them, as in its guide "Speed up serving by 200x".

https://lightning.ai/docs/litserve/features/batching and https://lightning.ai/docs/litserve/speed-up-serving-by-200x:
max_batch_size with a short batch_timeout, workers_per_device so that one prepares while the other one infers.
"""

from __future__ import annotations

from typing import Any

import litserve

from bench.peers.photo_model import BATCH, WAIT_S, Classifier, Photos, port


class Api(litserve.LitAPI):  # type: ignore[misc]
    def setup(self, device: str) -> None:
        self.classifier = Classifier()
        self.photos = Photos(self.classifier.size)

    def decode_request(self, request: dict[str, str]) -> str:
        return request["url"]

    def batch(self, inputs: list[str]) -> list[Any]:
        return self.photos.many(inputs)

    def predict(self, pixels: list[Any]) -> list[Any]:
        return self.classifier.predict(pixels)

    def unbatch(self, output: list[Any]) -> list[Any]:
        return output

    def encode_response(self, output: Any) -> dict[str, Any]:
        return {"labels": output}


if __name__ == "__main__":
    api = Api(max_batch_size=BATCH, batch_timeout=WAIT_S, api_path="/predict")
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=2, timeout=120)
    server.run(host="127.0.0.1", port=port(), generate_client_file=False, log_level="warning")
