"""How far a variant of the encoder says what its single precision says: the first label of photos, and its accuracy.

The validation set of ImageNet is not at hand. So the agreement stands for accuracy where single precision is sure of
its label (where it is not, the label is a guess in any precision); and there is the accuracy on those of its photos
that the everyday collection has.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.artefacts.manifest import Manifest, Metric
from training.common.datasets.labelled_photos import LabelledPhoto
from training.common.datasets.photo_sets import photo_sets
from training.common.intervals import proportion
from training.common.labels.class_names import read_classes_above
from training.common.offline_variants import PLAIN, Variants
from training.common.photos.offline_encoder import encode_photos

IMAGENET = "ImageNet"  # what the names of its collections begin with
PHOTOS, SURE = 2000, 0.5
Probabilities = NDArray[np.float32]
Placed = tuple[LabelledPhoto, Path]


def measure_first_labels(folder: Path, manifest: Manifest, data: Path, variants: Variants) -> list[Metric]:
    """Agreement and accuracy of the variant that is named, with what single precision has beside them."""
    placed = [(photo, each.images / photo.name) for each in photo_sets(data) for photo in each.photos]
    known = [one for one in placed if one[0].source.startswith(IMAGENET)]
    kept = [one for one in placed if one[0].split != "train" and one not in known]
    plain, other = _probabilities(folder, manifest, _some(kept), PLAIN, variants)
    sure = plain.max(axis=1) >= SURE
    same = plain.argmax(axis=1) == other.argmax(axis=1)
    of = f"of {len(plain)} photos that nothing was trained on"
    same_label = "measured: the first label is that of f32,"
    agreed, total = int(same[sure].sum()), int(sure.sum())
    found = [
        proportion(
            "first_label_agreement", agreed, total, f"{same_label} those {of} where f32 gives it {SURE} or more"
        ),
        proportion("first_label_agreement_of_all", int(same.sum()), len(same), f"{same_label} all {of}"),
    ]
    if known:
        plain, other = _probabilities(folder, manifest, known, PLAIN, variants)
        before, right = (_right(rows, [photo for photo, _ in known]) for rows in (plain, other))
        source = (
            f"measured: the first label's name, or what it is a kind of, is the word that people gave, {len(known)} "
            f"labelled photos of ImageNet; f32 has {before.mean():.4f}"
        )
        found.append(proportion("imagenet_photos_accuracy", int(right.sum()), len(right), source))
    return found


def _some(placed: Sequence[Placed]) -> list[Placed]:
    """As many of them as are measured on, drawn by chance."""
    order = np.random.default_rng(0).permutation(len(placed))[:PHOTOS]
    return [placed[at] for at in sorted(order)]


def _probabilities(
    folder: Path, manifest: Manifest, placed: Sequence[Placed], *variants: Variants
) -> list[Probabilities]:
    paths = [path for _, path in placed]
    return [encode_photos(folder, manifest, paths, "probabilities", each) for each in variants]


def _right(probabilities: Probabilities, photos: Sequence[LabelledPhoto]) -> NDArray[np.bool_]:
    names = [{name.lower(), *(kind.lower() for kind in above)} for name, above in read_classes_above()]
    given = [{label.lower() for label in photo.labels} for photo in photos]
    best = probabilities.argmax(axis=1)
    return np.array([bool(names[at] & labels) for at, labels in zip(best, given, strict=True)])
