"""The pooled features of photos by the shared encoder's artefact, computed once and kept on disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zlib import crc32

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from core.artefacts.manifest import load_manifest
from core.images.decode import ImageSpec, decode_image
from training.common.photos.augment import view
from training.common.progress import Progress

POOLED = "pooled"
AT_ONCE = 16
MAX_PIXELS = 10**8


class PooledFeatures:
    """The encoder's output `pooled` for views of photos."""

    def __init__(self, encoder: Path, images: Path, cache: Path) -> None:
        """`encoder`: its artefact; `images`: the photos' folder; `cache`: a folder for the features, by encoder."""
        manifest = load_manifest(encoder)
        assert isinstance(manifest.preprocessing, ImageSpec)
        self._spec, self._graph, self._images = manifest.preprocessing, encoder / manifest.graph, images
        self._cache = cache / manifest.files[manifest.graph][:12]
        self._compiled: ov.CompiledModel | None = None

    def get(self, list_name: str, names: Sequence[str], number: int = 0) -> NDArray[np.float32]:
        """One view of photos, float32 [photos, width].

        Args:
            list_name: what to call this list of photos in the cache.
            names: the photos' files.
            number: of the view, see `training.common.photos.augment`; 0 is the photo as the worker sees it.
        """
        path = self._cache / f"{list_name}-{crc32(chr(10).join(names).encode()):08x}-view{number}.npy"
        if not path.exists():
            self._cache.mkdir(parents=True, exist_ok=True)
            np.save(path.with_suffix(".tmp.npy"), np.concatenate(list(self._computed(names, number))))
            path.with_suffix(".tmp.npy").rename(path)
        found: NDArray[np.float32] = np.load(path)
        return found

    def _computed(self, names: Sequence[str], number: int) -> Iterator[NDArray[np.float32]]:
        if self._compiled is None:
            model = ov.Core().read_model(self._graph)
            output = next(port for port in model.outputs for name in port.get_names() if name.split(":")[0] == POOLED)
            part = ov.Model([output.node], model.get_parameters(), POOLED)
            self._compiled = ov.Core().compile_model(part, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

        def pixels(at: int) -> NDArray[np.uint8]:
            data = (self._images / names[at]).read_bytes()
            return view(decode_image(data, self._spec, MAX_PIXELS).pixels, number, (at,))

        title = f"features of view {number}"
        with ThreadPoolExecutor(2) as pool, Progress(title, -(-len(names) // AT_ONCE)) as progress:
            for start in range(0, len(names), AT_ONCE):
                batch = np.stack(list(pool.map(pixels, range(start, min(start + AT_ONCE, len(names))))))
                yield np.array(self._compiled([batch])[0])
                progress.step(f"{start}/{len(names)}")
