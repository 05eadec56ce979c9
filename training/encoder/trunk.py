"""The part of the encoder that stays as published, computed once for every view of every photo.

Its outputs are kept on disk in half precision, so that fine-tuning the layers behind it costs no more than these.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import keras
import numpy as np
import openvino as ov
from numpy.typing import NDArray

from core.images.decode import ImageSpec, decode_image
from training.common.export import write_graph
from training.common.photos.augment import view
from training.common.progress import Progress
from training.encoder.efficientnet_lite import VARIANTS
from training.encoder.published_weights import published

CUT = "stage5_1_add"  # the last layer that stays as published
AT_ONCE = 16
STREAMS = 2
SIDE = VARIANTS["lite2"].size
MAX_PIXELS = 10**8

Compute = Callable[[NDArray[np.uint8]], NDArray[np.float16]]


def read_pixels(path: Path) -> NDArray[np.uint8]:
    """A photo as the worker sees it, uint8 [260, 260, 3]."""
    return decode_image(path.read_bytes(), ImageSpec(size=(SIDE, SIDE)), MAX_PIXELS).pixels


class Views:
    """Arrays of the same shape, one a view of all photos, as one array [views, photos] that may exceed the memory."""

    def __init__(self, arrays: Sequence[NDArray[np.float16]]) -> None:
        self._arrays = arrays

    def __len__(self) -> int:
        return len(self._arrays)

    def take(self, views: NDArray[np.int_], photos: NDArray[np.int_]) -> NDArray[np.float32]:
        """The views of photos, float32 [len(photos), ...]."""
        return np.stack([self._arrays[v][p] for v, p in zip(views, photos, strict=True)]).astype(np.float32)


def cached_trunk(cache: Path, images: Path, names: Sequence[str], views: int) -> Views:
    """The trunk's output for views of photos, [views, photos, 9, 9, 208], read from disk as it is used.

    A view that is in the cache is not computed again.

    Args:
        cache: a folder for one list of photos; one file a view.
        images: folder of the photos.
        names: the photos' files.
        views: how many views of each, see `training.common.photos.augment`.

    Raises:
        ValueError: the cache is of other photos.
    """
    cache.mkdir(parents=True, exist_ok=True)
    listed, every = cache / "photos.txt", "\n".join(names)
    if listed.exists() and listed.read_text(encoding="utf-8") != every:
        raise ValueError(f"{cache} is the cache of another list of photos; use another work folder")
    listed.write_text(every, encoding="utf-8")
    compute = None
    for number in range(views):
        path = cache / f"view{number}.npy"
        if path.exists():
            continue
        compute = compute or _compiled()
        np.save(path.with_suffix(".tmp.npy"), _view(compute, images, names, number))
        path.with_suffix(".tmp.npy").rename(path)
    loaded = [np.load(cache / f"view{number}.npy", mmap_mode="r") for number in range(views)]
    return Views(loaded)


def _view(compute: Compute, images: Path, names: Sequence[str], number: int) -> NDArray[np.float16]:
    """The trunk's output for one view of every photo."""

    def batch(start: int) -> NDArray[np.float16]:
        places = range(start, min(start + AT_ONCE, len(names)))
        found = compute(np.stack([view(read_pixels(images / names[at]), number, (at,)) for at in places]))
        progress.step(f"{start}/{len(names)}")
        return found

    starts = range(0, len(names), AT_ONCE)
    with ThreadPoolExecutor(STREAMS) as pool, Progress(f"view {number}", len(starts)) as progress:
        return np.concatenate(list(pool.map(batch, starts)))


def _compiled() -> Compute:
    """The trunk as a function, uint8 [N, 260, 260, 3] to float16 [N, 9, 9, 208].

    Run by OpenVINO, the fastest on a CPU, where TensorFlow is there to export to it.
    """
    network = published()
    trunk = keras.Model(network.input, network.get_layer(CUT).output)
    if keras.backend.backend() != "tensorflow":
        return lambda batch: np.array(trunk.predict_on_batch(batch.astype(np.float32)), np.float16)
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "trunk.pb"
        write_graph(graph, lambda image: {"trunk": trunk(keras.ops.cast(image, "float32"))}, (None, SIDE, SIDE, 3))
        settings = {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": STREAMS, "INFERENCE_PRECISION_HINT": "f32"}
        compiled = ov.Core().compile_model(graph, "CPU", settings)
    requests: SimpleQueue[ov.InferRequest] = SimpleQueue()
    for _ in range(STREAMS):
        requests.put(compiled.create_infer_request())

    def compute(batch: NDArray[np.uint8]) -> NDArray[np.float16]:
        request = requests.get()
        try:
            request.infer([batch])
            return np.array(request.get_output_tensor().data, np.float16)
        finally:
            requests.put(request)

    # OpenVINO's first use of numpy deadlocks if two threads come to it at once: one waits for the other's
    # initialisation, which waits for Python's lock. So it happens here, alone.
    compute(np.zeros((1, SIDE, SIDE, 3), np.uint8))
    return compute
