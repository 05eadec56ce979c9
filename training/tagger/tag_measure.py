"""Every number on the tagger's card, computed from the artefact, the encoders it stands on, and the data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.artefacts.manifest import Metric
from core.artefacts.vocabularies import Vocabulary
from training.common.calibration import calibration_error
from training.common.datasets.captioned_photos import captioned, of_split
from training.common.intervals import with_interval
from training.tagger.caption_words import LEAST_CAPTIONS, protocol_words
from training.tagger.held_out_words import held_out_words
from training.tagger.offline_tagger import Embeddings, OfflineTagger
from training.tagger.tag_data import count_labels, in_captions
from training.tagger.tag_scores import Truth, mean_average_precision, precision_at

FIRST = 5


def measure_tagger(folder: Path, data: Path) -> list[Metric]:
    """Ranking of words that were learnt and of words that were held out, and calibration, on the test split."""
    photos, images = captioned(data)
    train, test = of_split(photos, "train"), of_split(photos, "test")
    tagger = OfflineTagger(folder)
    embeddings = tagger.embed([images / photo.name for photo in test])
    learnt, held_out = protocol_words(train), held_out_words(train)
    scores, truth = tagger.own(learnt).scores(embeddings), count_labels(test, learnt) >= LEAST_CAPTIONS
    source = f"measured: {len(learnt)} words, said by 2 captions or more, {len(test)} photos of the Flickr8k test split"
    return [
        with_interval("flickr8k_map", mean_average_precision, scores, truth, source),
        with_interval("flickr8k_precision_at_5", lambda s, t: precision_at(s, t, FIRST), scores, truth, source),
        *(_unseen(tagger.own(held_out).scores(embeddings), count_labels(test, held_out) >= 1) if held_out else ()),
        *_default_vocabulary(tagger.named("photos"), embeddings, [photo.captions for photo in test]),
    ]


def _unseen(scores: Embeddings, shown: Truth) -> list[Metric]:
    """How labels are ranked that were kept from training, and how they would be by chance."""
    kept = "kept from the towers in every form, though the encoder was tuned on captions with them"
    source = f"measured: {scores.shape[1]} words {kept}; said by 1 caption or more"
    chance = Metric(name="flickr8k_unseen_words_chance", value=round(float(shown.mean()), 4), source=source)
    return [with_interval("flickr8k_unseen_words_map", mean_average_precision, scores, shown, source), chance]


def _default_vocabulary(
    photos: Vocabulary, embeddings: Embeddings, captions: Sequence[Sequence[Sequence[str]]]
) -> list[Metric]:
    """How often the first labels of "photos" are said by a caption, and how far their scores are from that."""
    scores = photos.scores(embeddings)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :FIRST]
    right = in_captions(captions, photos.labels, best)
    source = (
        f"measured: the first {FIRST} labels of the vocabulary photos, right where a caption of the photo says them"
    )
    error = calibration_error(np.take_along_axis(scores, best, axis=1).ravel(), right.ravel())
    precision = with_interval(
        "photos_precision_at_5", lambda hits, _: float(hits.mean()), right.astype(np.float32), right, source
    )
    return [precision, Metric(name="photos_calibration_error", value=round(error, 4), source=source)]
