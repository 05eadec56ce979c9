"""Every number on a captioner's card, computed from the artefact itself and the data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.artefacts.manifest import Metric, load_manifest
from core.heads.captions import CaptionSettings, read_words
from training.common.captions.caption_scores import Counts, count
from training.common.captions.caption_search import decode_grids
from training.common.datasets.captioned_photos import captioned, of_split
from training.common.find_artefact import encoder_folder
from training.common.graph_runner import graph_parts
from training.common.photos.offline_encoder import encode_photos

RESAMPLES = 1000
NAMES = ("bleu_1", "bleu_4", "cider")


def measure_captions(folder: Path, data: Path) -> list[Metric]:
    """BLEU and CIDEr on the official test split, with intervals by the bootstrap over photos."""
    photos, images = captioned(data)
    test = of_split(photos, "test")
    captions = caption_photos(folder, [images / photo.name for photo in test])
    counts = count(captions, [photo.captions for photo in test])
    scores, spread = counts.scores(), bootstrap(counts)
    source = f"measured: {len(test)} photos of the Flickr8k test split, pycocoevalcap 1.2, tokens as in the data"
    return [
        Metric(
            name=f"flickr8k_test_{name}",
            value=round(float(scores[name]), 4),
            source=source,
            low=round(spread[name][0], 4),
            high=round(spread[name][1], 4),
        )
        for name in NAMES
    ]


def caption_photos(folder: Path, paths: Sequence[Path]) -> list[str]:
    """The captions of photos by a shipped captioner and the encoder that it stands on."""
    manifest = load_manifest(folder)
    settings = CaptionSettings.model_validate(manifest.settings)
    encoder = encoder_folder(folder, manifest)
    grids = encode_photos(encoder, load_manifest(encoder), paths, "grid")
    return decode_grids(graph_parts(folder / manifest.graph), grids, read_words(folder / settings.words), settings)


def bootstrap(counts: Counts) -> dict[str, tuple[float, float]]:
    """The 2.5th and 97.5th percentile of each score over samples of photos with replacement (Efron, 1979).

    Only photos are drawn: how rare an n-gram is stays what it is among all of them.
    """
    photos = len(counts.cider)
    random = np.random.default_rng(0)
    weights = random.multinomial(photos, np.full(photos, 1 / photos), size=RESAMPLES).astype(float)
    found = counts.scores(weights)
    ends = {name: np.percentile(found[name], (2.5, 97.5)) for name in NAMES}
    return {name: (float(low), float(high)) for name, (low, high) in ends.items()}
