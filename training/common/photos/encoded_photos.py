"""What the shared encoder's artefact gives for views of photos, computed once and kept on disk.

Of the grid only a projection is kept, in half precision: whole grids of thousands of photos would fill the disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from core.artefacts.manifest import load_manifest
from core.images.decode import ImageSpec, decode_image
from training.common.photos.augment import view
from training.common.progress import Progress

POOLED, GRID = "pooled", "grid"
AT_ONCE = 16
STREAMS = 2
PART = 16  # batches
MAX_PIXELS = 10**8
Floats = NDArray[np.float32]
Halves = NDArray[np.float16]


class EncodedPhotos:
    """The encoder's outputs `pooled` and `grid` for views of photos."""

    def __init__(self, encoder: Path, cache: Path) -> None:
        """`encoder`: its artefact; `cache`: a folder for what is computed, by encoder and list of photos."""
        manifest = load_manifest(encoder)
        assert isinstance(manifest.preprocessing, ImageSpec)
        self._spec, self._graph = manifest.preprocessing, encoder / manifest.graph
        self._cache = cache / manifest.files[manifest.graph][:12]
        self._run: ov.CompiledModel | None = None

    def pooled(self, paths: Sequence[Path], number: int = 0) -> Floats:
        """One view of photos, float32 [photos, width].

        Args:
            paths: the photos' files.
            number: of the view, see `training.common.photos.augment`; 0 is the photo as the worker sees it.
        """
        file = self._file(paths, number, POOLED)
        if not file.exists():
            self._compute(paths, number, {POOLED: file}, None)
        found: Floats = np.load(file)
        return found

    def cells(self, paths: Sequence[Path], projection: Floats, number: int = 0) -> Halves:
        """The cells of one view's grids through a projection, float16 [photos, cells, width], read as it is used.

        Args:
            paths: the photos' files.
            projection: [features, width].
            number: of the view.
        """
        mark = sha256(projection.tobytes()).hexdigest()[:8]
        file = self._file(paths, number, f"{GRID}-{mark}")
        if not file.exists():
            self._compute(paths, number, {POOLED: self._file(paths, number, POOLED), GRID: file}, projection)
        found: Halves = np.load(file, mmap_mode="r")
        return found

    def grids(self, paths: Sequence[Path]) -> Floats:
        """Whole grids of a few photos, float32 [photos, rows, columns, features]; not kept."""
        return np.concatenate([batch[GRID] for batch in self._batches(paths, 0)])

    def _file(self, paths: Sequence[Path], number: int, what: str) -> Path:
        names = "\n".join(path.name for path in paths)
        return self._cache / f"{what}-{sha256(names.encode()).hexdigest()[:8]}-view{number}.npy"

    def _compute(self, paths: Sequence[Path], number: int, files: dict[str, Path], projection: Floats | None) -> None:
        found: dict[str, list[NDArray[Any]]] = {name: [] for name in files}
        for batch in self._batches(paths, number):
            found[POOLED].append(batch[POOLED])
            if projection is not None:
                grid = batch[GRID]
                # As one product of two matrices: numpy is several times slower on a stack of them.
                flat = (grid.reshape(-1, grid.shape[-1]) @ projection).reshape(len(grid), -1, projection.shape[1])
                found[GRID].append(flat.astype(np.float16))
        self._cache.mkdir(parents=True, exist_ok=True)
        for name, file in files.items():
            np.save(file.with_suffix(".tmp.npy"), np.concatenate(found.pop(name)))
            file.with_suffix(".tmp.npy").rename(file)

    def _batches(self, paths: Sequence[Path], number: int) -> Iterator[dict[str, NDArray[Any]]]:
        compiled = self._run = self._run or self._compiled()
        requests: SimpleQueue[ov.InferRequest] = SimpleQueue()
        for _ in range(STREAMS):
            requests.put(compiled.create_infer_request())

        def batch(start: int) -> dict[str, NDArray[Any]]:
            places = range(start, min(start + AT_ONCE, len(paths)))
            pixels = [
                view(decode_image(paths[at].read_bytes(), self._spec, MAX_PIXELS).pixels, number, (at,))
                for at in places
            ]
            request = requests.get()
            try:
                request.infer([np.stack(pixels)])
                return {name: np.array(request.get_output_tensor(at).data) for at, name in enumerate((POOLED, GRID))}
            finally:
                requests.put(request)

        starts = range(0, len(paths), AT_ONCE)
        title = f"view {number} of {len(paths)} photos"
        with ThreadPoolExecutor(STREAMS) as pool, Progress(title, len(starts)) as progress:
            # In parts: what is encoded before it is wanted would fill the memory.
            for part in range(0, len(starts), PART):
                for found in pool.map(batch, starts[part : part + PART]):
                    yield found
                    progress.step(f"{part * AT_ONCE}/{len(paths)}")

    def _compiled(self) -> ov.CompiledModel:
        core = ov.Core()
        model = core.read_model(self._graph)
        ports = {name.split(":")[0]: port.node for port in model.outputs for name in port.get_names()}
        part = ov.Model([ports[POOLED], ports[GRID]], model.get_parameters(), "photos")
        # bfloat16 where the processor has it: what is learnt from may differ in the third digit.
        settings = {
            "PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": STREAMS, "INFERENCE_NUM_THREADS": STREAMS,
            "INFERENCE_PRECISION_HINT": "bf16", "ENABLE_CPU_PINNING": False, "ENABLE_HYPER_THREADING": True,
        }  # fmt: skip
        compiled = core.compile_model(part, "CPU", settings)
        compiled([np.zeros((1, *self._spec.size, 3), np.uint8)])  # its first use must not be by two threads at once
        return compiled
