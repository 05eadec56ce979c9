"""Run photo artefacts offline, exactly as they are shipped: the same decoding of images, the same graphs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.artefacts.catalogue import Catalogue
from core.artefacts.manifest import Manifest, split_wanted
from core.errors import ArtefactError
from core.images.decode import ImageSpec, decode_image
from training.common.export import graph_parts
from training.common.progress import Progress

AT_ONCE = 16
MAX_PIXELS = 10**8


def encoder_folder(folder: Path, manifest: Manifest, kind: str = "image") -> Path:
    """The artefact that another stands on: beside it, or in models/.

    Raises:
        ArtefactError: `encoder_missing`, it is in neither.
    """
    name, version = split_wanted(manifest.encoders[kind])  # type: ignore[index]
    for place in (folder.parent, Path("models")):
        for entry in Catalogue(place).entries():
            if entry.manifest and (entry.manifest.name, entry.manifest.version) == (name, version):
                return entry.folder
    raise ArtefactError("encoder_missing", f"{manifest.id} stands on {manifest.encoders[kind]}, which is not beside it")  # type: ignore[index]


def encode_photos(folder: Path, manifest: Manifest, paths: Sequence[Path], output: str) -> NDArray[np.float32]:
    """One output of an encoder's artefact for photos, float32 [N, ...]."""
    return encode_photos_once(folder, manifest, paths, (output,))[output]


def encode_photos_once(
    folder: Path, manifest: Manifest, paths: Sequence[Path], outputs: Sequence[str]
) -> dict[str, NDArray[np.float32]]:
    """Several outputs of an encoder's artefact for photos, each float32 [N, ...], by name."""
    spec = manifest.preprocessing
    assert isinstance(spec, ImageSpec)
    run, found = graph_parts(folder / manifest.graph), []
    with Progress(f"{manifest.id}: {', '.join(outputs)}", -(-len(paths) // AT_ONCE)) as progress:
        for at in range(0, len(paths), AT_ONCE):
            pixels = [decode_image(path.read_bytes(), spec, MAX_PIXELS).pixels for path in paths[at : at + AT_ONCE]]
            found.append(run({"image": np.stack(pixels)}, outputs))
            progress.step(f"{at}/{len(paths)}")
    return {name: np.concatenate([batch[name] for batch in found]) for name in outputs}
