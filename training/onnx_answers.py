"""What models say of a few photos and texts: to see whether an export says what its graph says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.artefacts.manifest import Manifest, load_manifest, read_labels
from core.heads.captions import CaptionSettings, read_wording
from training.common.captions.caption_search import best_captions
from training.common.find_artefact import encoder_folder
from training.common.offline_variants import Variants, artefact_parts
from training.common.photos.offline_encoder import encode_photos
from training.common.texts.offline_classifier import OfflineTextClassifier
from training.tagger.offline_tagger import OfflineTagger

TEXTS = (
    "What a lovely film: funny, warm and never too long.",
    "I have rarely been so bored. The plot makes no sense at all.",
    "Congratulations, you have won! Call 0800 123 4567 now to claim your prize.",
    "Are we still on for lunch tomorrow? I may be ten minutes late.",
    "Le train pour Lyon est parti avec une heure de retard.",
    "¿Dónde está la estación de autobuses más cercana?",
)
# How far scores, 0 to 1, may be apart. Halves have eleven bits of mantissa, and a network rounds many times.
TOLERANCES = {"f32": 1e-3, "f16": 2e-2}
# From which score on a label must stay. In half precision an unsure one is a coin among several, see decision 0153.
SURE = {"f32": 0.0, "f16": 0.5}


@dataclass(frozen=True, slots=True)
class Answers:
    """What a model says.

    Attributes:
        said: of each input, its label or sentence.
        scores: of each input, float [N, ...].
        sure: how sure it is of what it says, 0 to 1; of sentences 1, since none may change.
    """

    said: tuple[str, ...]
    scores: NDArray[np.floating]
    sure: tuple[float, ...]


def answers(folder: Path, photos: Sequence[Path], variants: Variants) -> Answers:
    """What an artefact says of photos, or of our texts, in the variants named.

    Raises:
        KeyError: there is no way to ask its kind.
    """
    manifest = load_manifest(folder)
    return KINDS[manifest.kind](folder, manifest, photos, variants)


def differences(before: Answers, now: Answers, precision: str) -> list[str]:
    """In what the answers of an export differ from its graph's more than they may, for people.

    Args:
        before: of the graph.
        now: of its export.
        precision: of the export, "f32" or "f16".
    """
    pairs = zip(before.said, now.said, before.sure, strict=True)
    other = [f"{old!r} became {new!r}" for old, new, sure in pairs if old != new and sure >= SURE[precision]]
    apart = farthest(before, now)
    return other + ([] if apart <= TOLERANCES[precision] else [f"scores are {apart:.2g} apart"])


def farthest(before: Answers, now: Answers) -> float:
    """How far the scores of two sets of answers are apart at most."""
    return float(np.abs(before.scores - now.scores).max())


def _classes(folder: Path, manifest: Manifest, photos: Sequence[Path], variants: Variants) -> Answers:
    labels = [label.key for label in read_labels(folder, manifest)]
    return _best(labels, encode_photos(folder, manifest, photos, "probabilities", variants))


def _captions(folder: Path, manifest: Manifest, photos: Sequence[Path], variants: Variants) -> Answers:
    settings = CaptionSettings.model_validate(manifest.settings)
    encoder = encoder_folder(folder, manifest)
    grids = encode_photos(encoder, load_manifest(encoder), photos, "grid", variants)
    parts = artefact_parts(folder, manifest, variants)
    found = best_captions(parts, {"grid": grids}, read_wording(folder, settings), settings)
    scores = np.array([caption.score for caption in found])
    return Answers(tuple(caption.text for caption in found), scores, (1.0,) * len(found))


def _tags(folder: Path, manifest: Manifest, photos: Sequence[Path], variants: Variants) -> Answers:
    tagger = OfflineTagger(folder, variants)
    vocabulary = tagger.named(next(iter(tagger.settings.vocabularies)))
    return _best(vocabulary.labels, vocabulary.scores(tagger.embed(photos)))


def _texts(folder: Path, manifest: Manifest, photos: Sequence[Path], variants: Variants) -> Answers:
    model = OfflineTextClassifier(folder, variants=variants)
    return _best(model.labels, model.probabilities(TEXTS))


def _best(labels: Sequence[str], scores: NDArray[np.floating]) -> Answers:
    """The likeliest label of each row."""
    return Answers(tuple(labels[at] for at in scores.argmax(axis=1)), scores, tuple(map(float, scores.max(axis=1))))


KINDS: dict[str, Callable[[Path, Manifest, Sequence[Path], Variants], Answers]] = {
    "captioner": _captions,
    "image-classifier": _classes,
    "tagger": _tags,
    "text-classifier": _texts,
}
