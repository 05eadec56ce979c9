"""mosec: a stage that prepares, one process a core, and a stage that infers in batches, as in its examples.

https://mosecorg.github.io/mosec/reference/interface.html: append_worker(num) for stages that work in Python,
max_batch_size and max_wait_time (milliseconds) for the one with the model.
"""

from __future__ import annotations

import sys
from typing import Any

from mosec import Server, Worker

from bench.peers.photo_model import BATCH, WAIT_S, Classifier, Photos, cores, port

SIZE = (260, 260)  # of the model that is measured; its stage has it


class Prepare(Worker):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.photos = Photos(SIZE)

    def forward(self, data: dict[str, str]) -> Any:
        return self.photos.one(data["url"])


class Infer(Worker):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.classifier = Classifier()

    def forward(self, data: list[Any]) -> list[Any]:
        return [{"labels": labels} for labels in self.classifier.predict(data)]


if __name__ == "__main__":
    sys.argv += ["--address", "127.0.0.1", "--port", str(port()), "--timeout", "120000", "--log-level", "warning"]
    server = Server()
    server.append_worker(Prepare, num=2 * cores())
    server.append_worker(Infer, num=2, max_batch_size=BATCH, max_wait_time=round(WAIT_S * 1000))
    server.run()
