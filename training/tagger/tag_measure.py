"""Every number on the tagger's card, computed from the artefact, the encoders it stands on, and the data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.artefacts.manifest import Metric
from core.artefacts.vocabularies import Vocabulary
from training.common.calibration import calibration_error
from training.common.captions.content_words import LEAST_CAPTIONS, protocol_words
from training.common.datasets.labelled_photos import LabelledPhoto
from training.common.datasets.photo_sets import EVERYDAY, FLICKR8K, PhotoSet, photo_sets
from training.common.datasets.splits import REFERENCES
from training.common.intervals import with_interval
from training.common.offline_variants import PLAIN, Variants
from training.tagger.held_out_words import held_out_labels
from training.tagger.offline_tagger import Embeddings, OfflineTagger
from training.tagger.tag_data import count_labels, has_labels, is_right
from training.tagger.tag_scores import mean_average_precision, precision_at

FIRST = 5
COCO = "COCO"  # what the names of its collections begin with


def measure_tagger(folder: Path, data: Path, variants: Variants = PLAIN) -> list[Metric]:
    """Ranking of words and given labels, and calibration, on the test splits of the collections that are there."""
    tagger, found = OfflineTagger(folder, variants), []
    for photos in photo_sets(data):
        test = photos.of_split("test")
        if not test.photos:
            continue
        embeddings = tagger.embed(test.paths())
        if photos.name == FLICKR8K:
            found += _caption_words(tagger, photos.of_split("train").photos, test.photos, embeddings)
        if photos.name == EVERYDAY:
            found += _coco_names(tagger, photos, embeddings)
        whole = [at for at, photo in enumerate(test.photos) if len(photo.captions) >= REFERENCES]
        if whole:
            captioned = [test.photos[at] for at in whole]
            found += _default_vocabulary(photos.name, tagger.named("photos"), embeddings[whole], captioned)
    return found


def measure_unseen(folder: Path, data: Path) -> list[Metric]:
    """How forty labels are ranked that were kept from training, on photos that were kept from it too."""
    labels = list(held_out_labels())
    photos = next((each for each in photo_sets(data) if each.name == EVERYDAY), None)
    if photos is None:
        return []
    kept = [photo for photo in photos.photos if set(labels) & set(photo.labels)]
    if not kept:
        return []
    truth = has_labels(kept, labels)
    tagger = OfflineTagger(folder)
    scores = tagger.own(labels).scores(tagger.embed([photos.images / photo.name for photo in kept]))
    source = (
        f"measured: {len(labels)} labels of {len(kept)} everyday photos, with a second tagger that saw neither these "
        "photos nor the labels in any form"
    )
    return [
        with_interval("everyday_unseen_labels_map", mean_average_precision, scores, truth, source),
        Metric(name="everyday_unseen_labels_chance", value=round(float(truth.mean()), 4), source=source),
    ]


def _caption_words(
    tagger: OfflineTagger, train: Sequence[LabelledPhoto], test: Sequence[LabelledPhoto], embeddings: Embeddings
) -> list[Metric]:
    words = protocol_words(train)
    scores, truth = tagger.own(words).scores(embeddings), count_labels(test, words) >= LEAST_CAPTIONS
    source = f"measured: {len(words)} words, said by 2 captions or more, {len(test)} photos of the Flickr8k test split"
    return [
        with_interval("flickr8k_map", mean_average_precision, scores, truth, source),
        with_interval("flickr8k_precision_at_5", lambda s, t: precision_at(s, t, FIRST), scores, truth, source),
    ]


def _coco_names(tagger: OfflineTagger, photos: PhotoSet, embeddings: Embeddings) -> list[Metric]:
    names = sorted({label for p in photos.photos if p.source.startswith(COCO) for label in p.labels})
    test = photos.of_split("test").photos
    rows = [at for at, photo in enumerate(test) if photo.source.startswith(COCO) and photo.labels]
    if not names or not rows:
        return []
    scores, truth = tagger.own(names).scores(embeddings[rows]), has_labels([test[at] for at in rows], names)
    source = f"measured: {len(names)} COCO names as own labels, {len(rows)} labelled COCO photos of the test split"
    return [with_interval("coco_names_map", mean_average_precision, scores, truth, source)]


def _default_vocabulary(
    name: str, vocabulary: Vocabulary, embeddings: Embeddings, photos: Sequence[LabelledPhoto]
) -> list[Metric]:
    """How often the first labels of "photos" are said by a caption, and how far their scores are from that."""
    scores = vocabulary.scores(embeddings)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :FIRST]
    right = is_right(photos, vocabulary.labels, best)
    source = (
        f"measured: the first {FIRST} labels of the vocabulary photos, right where one of five captions says or people "
        f"gave them; {len(photos)} test photos of {name}"
    )
    error = calibration_error(np.take_along_axis(scores, best, axis=1).ravel(), right.ravel())
    precision = with_interval(
        f"{name}_photos_precision_at_5", lambda hits, _: float(hits.mean()), right.astype(np.float32), right, source
    )
    return [precision, Metric(name=f"{name}_photos_calibration_error", value=round(error, 4), source=source)]
