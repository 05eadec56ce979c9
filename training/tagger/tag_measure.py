"""Every number on the tagger's card, computed from the artefact, the encoders it stands on, and the data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.artefacts.manifest import Metric, load_manifest
from core.heads.tags import TagSettings, Vocabulary, read_vocabulary
from training.common.calibration import calibration_error
from training.common.datasets.captioned_photos import captioned, of_split
from training.common.export import graph_parts
from training.common.photos.offline_encoder import encode_photos, encoder_folder
from training.common.texts.offline_text_encoder import LabelVectors
from training.tagger.caption_words import LEAST_CAPTIONS, held_out_words, protocol_words
from training.tagger.tag_data import count_labels, says
from training.tagger.tag_scores import Truth, mean_average_precision, precision_at, with_interval

FIRST = 5
Embeddings = NDArray[np.float32]


class OfflineTagger:
    """A tagger's artefact and the two that it stands on, as they are shipped."""

    def __init__(self, folder: Path) -> None:
        self.manifest = load_manifest(folder)
        self.settings = TagSettings.model_validate(self.manifest.settings)
        self._folder = folder
        self._run = graph_parts(folder / self.manifest.graph)
        self._encoder = encoder_folder(folder, self.manifest)
        self._vectors = LabelVectors(encoder_folder(folder, self.manifest, "text"))

    def embed(self, paths: Sequence[Path]) -> Embeddings:
        """Embeddings of photos, float32 [N, size]."""
        return self.place(encode_photos(self._encoder, load_manifest(self._encoder), paths, "pooled"))

    def place(self, pooled: NDArray[np.float32]) -> Embeddings:
        """Embeddings of what the encoder gives for photos, float32 [N, width] to [N, size]."""
        return self._run({"pooled": pooled}, ("embedding",))["embedding"]

    def own(self, labels: Sequence[str]) -> Vocabulary:
        """A vocabulary of any labels."""
        vectors = self._vectors([self.settings.phrase(label) for label in labels])
        return Vocabulary(tuple(labels), self._run({"label": vectors}, ("direction",))["direction"])

    def named(self, name: str) -> Vocabulary:
        """A vocabulary of the artefact."""
        return read_vocabulary(self._folder, self.settings.vocabularies[name], self.settings.size)


def measure(folder: Path, data: Path) -> list[Metric]:
    """Ranking of words that were learnt and of words that were kept away, and calibration, on the test split."""
    photos, images = captioned(data)
    train, test = of_split(photos, "train"), of_split(photos, "test")
    tagger = OfflineTagger(folder)
    embeddings = tagger.embed([images / photo.name for photo in test])
    learnt, kept = protocol_words(train), held_out_words(train)
    scores, truth = tagger.own(learnt).scores(embeddings), count_labels(test, learnt) >= LEAST_CAPTIONS
    source = f"measured: {len(learnt)} words, said by 2 captions or more, {len(test)} photos of the Flickr8k test split"
    return [
        with_interval("flickr8k_map", mean_average_precision, scores, truth, source),
        with_interval("flickr8k_precision_at_5", lambda s, t: precision_at(s, t, FIRST), scores, truth, source),
        *(_unseen(tagger.own(kept).scores(embeddings), count_labels(test, kept) >= 1) if kept else ()),
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
    """How often the first labels of "photos" are said by a caption, and how well their scores tell."""
    scores = photos.scores(embeddings)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :FIRST]
    said = says(captions, photos.labels, best)
    source = (
        f"measured: the first {FIRST} labels of the vocabulary photos, right where a caption of the photo says them"
    )
    error = calibration_error(np.take_along_axis(scores, best, axis=1).ravel(), said.ravel())
    precision = with_interval(
        "photos_precision_at_5", lambda right, _: float(right.mean()), said.astype(np.float32), said, source
    )
    return [precision, Metric(name="photos_calibration_error", value=round(error, 4), source=source)]
