"""Run the shared encoder's artefact offline, exactly as it is shipped: the same decoding, the same graph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.artefacts.manifest import Manifest
from core.images.decode import ImageSpec, decode_image
from training.common.offline_variants import PLAIN, Variants, artefact_parts
from training.common.progress import Progress

AT_ONCE = 16
MAX_PIXELS = 10**8


def encode_photos(
    folder: Path, manifest: Manifest, paths: Sequence[Path], output: str, variants: Variants = PLAIN
) -> NDArray[np.float32]:
    """One output of an encoder's artefact for photos, float32 [N, ...]."""
    return encode_photos_once(folder, manifest, paths, (output,), variants)[output]


def encode_photos_once(
    folder: Path, manifest: Manifest, paths: Sequence[Path], outputs: Sequence[str], variants: Variants = PLAIN
) -> dict[str, NDArray[np.float32]]:
    """Several outputs of an encoder's artefact for photos, by name, each float32 [N, ...].

    Args:
        folder: the artefact.
        manifest: the artefact's.
        paths: files of photos.
        outputs: names of outputs of its graph.
        variants: in which it runs.
    """
    spec = manifest.preprocessing
    assert isinstance(spec, ImageSpec)
    run, found = artefact_parts(folder, manifest, variants), []
    with Progress(f"{manifest.id}: {', '.join(outputs)}", -(-len(paths) // AT_ONCE)) as progress:
        for at in range(0, len(paths), AT_ONCE):
            pixels = [decode_image(path.read_bytes(), spec, MAX_PIXELS).pixels for path in paths[at : at + AT_ONCE]]
            found.append(run({"image": np.stack(pixels)}, outputs))
            progress.step(f"{at}/{len(paths)}")
    return {name: np.concatenate([batch[name] for batch in found]) for name in outputs}
