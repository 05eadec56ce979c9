"""How well the text encoder tells what captions are about: the numbers of its card."""

from __future__ import annotations

from pathlib import Path

from core.artefacts.manifest import Metric
from training.common.datasets.captioned_photos import captioned, of_split
from training.common.intervals import proportion
from training.common.texts.offline_text_encoder import OfflineTextEncoder


def measure_text_encoder(folder: Path, data: Path) -> list[Metric]:
    """How often the second caption that is nearest to a photo's first caption is of the same photo."""
    test = [photo for photo in of_split(captioned(data)[0], "test") if len(photo.captions) > 1]
    encode = OfflineTextEncoder(folder)
    first, second = (encode([" ".join(photo.captions[at]) for photo in test]) for at in (0, 1))
    right = (first @ second.T).argmax(axis=1) == range(len(test))
    source = f"measured: the first caption of each Flickr8k test photo among the second captions of all {len(test)}"
    return [proportion("flickr8k_caption_recall_at_1", int(right.sum()), len(right), source)]
