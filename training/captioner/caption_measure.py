"""Every number on a captioner's card, computed from the artefact itself and the data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.artefacts.manifest import Metric, load_manifest
from core.heads.captions import CaptionSettings, read_wording
from training.captioner.caption_inputs import measured_on
from training.common.captions.caption_scores import Counts, count
from training.common.captions.caption_search import best_captions
from training.common.datasets.photo_sets import FLICKR8K, photo_sets
from training.common.find_artefact import encoder_folder
from training.common.offline_variants import PLAIN, Variants, artefact_parts
from training.common.photos.offline_encoder import encode_photos

RESAMPLES = 1000
AT_ONCE = 200  # photos whose grids are in memory
NAMES = ("bleu_1", "bleu_4", "cider")
PROTOCOLS = {FLICKR8K: "the Flickr8k test split"}


def measure_captions(folder: Path, data: Path, variants: Variants = PLAIN) -> list[Metric]:
    """BLEU and CIDEr on the test photos of each collection, with intervals by the bootstrap over photos.

    Photos with five captions or more are measured on; all with captions in a collection that has none of these.
    """
    found = []
    for photos in photo_sets(data):
        test = photos.of_split("test")
        chosen = measured_on(test.photos)
        if not len(chosen):
            continue
        kept = [test.photos[at] for at in chosen]
        captions = caption_photos(folder, [test.images / photo.name for photo in kept], variants)
        counts = count(captions, [photo.captions for photo in kept])
        scores, spread = counts.scores(), bootstrap(counts)
        where = PROTOCOLS.get(photos.name, f"the test split of {photos.name}")
        source = f"measured: {len(kept)} photos of {where}, pycocoevalcap 1.2, tokens in lower case without punctuation"
        found += [
            Metric(
                name=f"{photos.name}_test_{name}",
                value=round(float(scores[name]), 4),
                source=source,
                low=round(spread[name][0], 4),
                high=round(spread[name][1], 4),
            )
            for name in NAMES
        ]
    return found


def caption_photos(folder: Path, paths: Sequence[Path], variants: Variants = PLAIN) -> list[str]:
    """The captions of photos by a shipped captioner and the encoder that it stands on, in the variants named."""
    manifest = load_manifest(folder)
    settings = CaptionSettings.model_validate(manifest.settings)
    encoder = encoder_folder(folder, manifest)
    run, wording, found = artefact_parts(folder, manifest, variants), read_wording(folder, settings), []
    for at in range(0, len(paths), AT_ONCE):
        grids = encode_photos(encoder, load_manifest(encoder), paths[at : at + AT_ONCE], "grid", variants)
        found += [caption.text for caption in best_captions(run, {"grid": grids}, wording, settings)]
    return found


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
