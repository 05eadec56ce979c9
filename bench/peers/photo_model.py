"""What every peer runs: fetch a photo's URL, decode it as the model wants it, and run our graph in float32.

Imports nothing of ours: a peer's environment has only its own packages. The way of a photo is the quickest known: one
client with kept connections, JPEG's own scaling before decoding, OpenVINO with as many streams as it likes.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openvino as ov
from PIL import Image

FOLDER = "PEER_MODEL"  # environment variables that say which model and where to listen
PORT = "PEER_PORT"
BATCH = 16
WAIT_S = 0.01
THREADS = 16  # that fetch and decode
TOP = 5


def port() -> int:
    """Where the peer listens."""
    return int(os.environ[PORT])


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


class Photos:
    """Fetches and decodes."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self._client = httpx.Client(limits=httpx.Limits(max_connections=THREADS, max_keepalive_connections=THREADS))
        self._pool = ThreadPoolExecutor(THREADS)

    def one(self, url: str) -> Any:
        """The pixels of a photo, uint8 [height, width, 3]."""
        photo = Image.open(io.BytesIO(self._client.get(url).raise_for_status().content))
        photo.draft("RGB", (self._size[0] * 2, self._size[1] * 2))
        return np.asarray(photo.convert("RGB").resize(self._size, Image.Resampling.BICUBIC, reducing_gap=2.0))

    def many(self, urls: Sequence[str]) -> list[Any]:
        """The same of many, several at a time."""
        return list(self._pool.map(self.one, urls))


class Classifier:
    """The graph of a model folder, with its probabilities alone."""

    def __init__(self) -> None:
        folder = Path(os.environ[FOLDER])
        manifest = json.loads((folder / "manifest.json").read_text())
        width, height = manifest["preprocessing"]["size"]
        self.size: tuple[int, int] = (width, height)
        core = ov.Core()
        read = core.read_model(folder / manifest["graph"])
        wanted = [output for output in read.outputs if any("probabilities" in name for name in output.names)]
        model = ov.Model([output.node for output in wanted], read.get_parameters())
        hints = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32"}
        self._compiled = core.compile_model(model, "CPU", hints)

    def predict(self, pixels: Sequence[Any]) -> list[list[list[float]]]:
        """Of each photo the best classes: index and probability."""
        rows = next(iter(self._compiled.create_infer_request().infer([np.stack(pixels)]).values()))
        best = np.argsort(-rows, axis=1)[:, :TOP]
        return [[[int(at), float(row[at])] for at in order] for row, order in zip(rows, best, strict=True)]
