"""Encoder and captioner on a card, each as a worker calls it, and as bare as can be in batches of many sizes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.artefacts.catalogue import Catalogue, Installed
from core.artefacts.manifest import Manifest
from core.heads.beam import Search
from core.heads.captions import CaptionSettings, captions_of, encode_grids, read_wording
from core.images.decode import ImageSpec, decode_image
from core.settings import Settings
from core.tasks import CaptionOptions, read_options
from worker.inference.batching import is_out_of_memory
from worker.models.load import load_model, variant_for
from worker.models.model import InferenceRequest, OutputReader
from worker.runtimes.choose import load_runtime
from worker.runtimes.runtime import Runtime

Speeds = dict[int, float]  # items a second, by the size of a batch


class Measured:
    """A model as a worker calls it, and its graph bare: each gives items a second, for a batch of some size.

    Attributes:
        ran: what the graph runs in: model, runtime, device, variant.
    """

    def __init__(
        self, manifest: Manifest, variant: str, runtime: Runtime, ours: Callable[[int], Any], bare: Callable[[int], Any]
    ) -> None:
        self.ran = {"model": manifest.id, "runtime": runtime.name, "device": runtime.device, "variant": variant}
        self._ours, self._bare = ours, bare

    def ours(self, batch: int, seconds: float) -> float:
        """As a worker calls it."""
        return rate(self._ours, batch, seconds)

    def bare(self, batches: Sequence[int], seconds: float) -> Speeds:
        """Bare, for each size of a batch up to the largest that the card has memory for: at least the first."""
        found: Speeds = {}
        for batch in batches:
            try:
                found[batch] = rate(self._bare, batch, seconds)
            except Exception as error:
                if not found or not is_out_of_memory(error):
                    raise
                reason, *_ = str(error).splitlines() or [type(error).__name__]
                print(f"batches of {batch} do not fit: {reason}")
                break
        return found


def rate(run: Callable[[int], Any], batch: int, seconds: float) -> float:
    """Items a second, of as many whole batches as take that long; the first one is not counted."""
    run(batch)
    started, done = time.monotonic(), 0
    while (took := time.monotonic() - started) < seconds or not done:
        run(batch)
        done += batch
    return done / (took if took > 0 else seconds)


def encoder(settings: Settings, photos: Sequence[Path]) -> Measured:
    """The encoder of the default classifier: photos a second, of photos that are decoded already."""
    installed, manifest = _default(settings, "classify")
    model, runtime = load_model(installed.folder, settings), _bare(installed.folder, manifest, settings)
    assert isinstance(model, OutputReader)
    pixels = _pixels(photos, manifest)
    wanted, (name,) = (model.output,), manifest.inputs

    def ours(batch: int) -> Any:
        return model.encoder.encode(list(_some(pixels, batch)), wanted)

    def bare(batch: int) -> Any:
        return runtime.run({name: _some(pixels, batch)}, wanted)

    return Measured(manifest, variant_for(installed.folder, manifest, settings).name, runtime, ours, bare)


def decoder(settings: Settings, photos: Sequence[Path]) -> Measured:
    """The default captioner: captions a second, of photos that are encoded already."""
    installed, manifest = _default(settings, "caption")
    captioner, runtime = load_model(installed.folder, settings), _bare(installed.folder, manifest, settings)
    found = Catalogue(settings.models_dir).find(manifest.encoders["image"])
    eye = found.manifest
    assert eye is not None
    (feature,) = manifest.inputs.keys() & eye.outputs.keys()
    (name,) = eye.inputs
    grids = _bare(found.folder, eye, settings).run({name: _pixels(photos, eye)}, (feature,))[feature]
    own = CaptionSettings.model_validate(manifest.settings)
    options, wording = read_options("caption", {}), read_wording(installed.folder, own)
    assert isinstance(options, CaptionOptions)
    words, beams = min(options.max_words, own.most_words), options.beam_size
    search = Search(beams, words, candidates=beams, length_penalty=own.length_penalty)  # as the captioner has it

    def ours(batch: int) -> Any:
        return captioner.predict([InferenceRequest(grid, options) for grid in _some(grids, batch)])

    def bare(batch: int) -> Any:
        encoded = encode_grids(runtime.run, {feature: _some(grids, batch)}, own)
        return captions_of(runtime.run, encoded, wording, own, search)

    return Measured(manifest, variant_for(installed.folder, manifest, settings).name, runtime, ours, bare)


def _default(settings: Settings, task: str) -> tuple[Installed, Manifest]:
    installed = Catalogue(settings.models_dir).resolve(task)
    assert installed.manifest is not None
    return installed, installed.manifest


def _bare(folder: Path, manifest: Manifest, settings: Settings) -> Runtime:
    chosen = variant_for(folder, manifest, settings)
    return load_runtime(folder / chosen.graph, settings.runtime, chosen.compute)


def _pixels(photos: Sequence[Path], manifest: Manifest) -> NDArray[np.uint8]:
    spec = manifest.preprocessing
    assert isinstance(spec, ImageSpec)
    return np.stack([decode_image(path.read_bytes(), spec, 10**8).pixels for path in photos])


def _some(rows: NDArray[Any], count: int) -> NDArray[Any]:
    """So many of the rows, from the first on, over and over."""
    return rows[np.arange(count) % len(rows)]
