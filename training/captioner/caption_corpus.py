"""What a captioner learns from: captions of photos, captions found for photos that have labels alone, and captions of
images that are not there.

Each is a source of examples: which photo, which labels with which scores it hears, and its captions as ids.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.heads.captions import SPECIAL
from training.captioner.caption_labels import CaptionLabels, best_labels
from training.captioner.found_captions import CaptionFinder
from training.common.captions.caption_data import Ids, caption_ids
from training.common.datasets.labelled_photos import LabelledPhoto, LabelledText
from training.common.datasets.photo_sets import FLICKR8K

MOST_CAPTIONS = 5
SAID = 0.35  # share of the words of a caption without photo that are told beforehand, as a head would have seen them
LIKELY = 0.1  # chance of a label that counts when captions are sought

Floats = NDArray[np.float32]
Captions = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Source:
    """Examples of one kind.

    Attributes:
        photos: places of the photos among the training photos; -1 where there is none.
        ids, scores: the labels that each hears if it has no photo (see `best_labels`); of photos they come from heads.
        tokens, targets: int32 [examples, MOST_CAPTIONS, positions], see `caption_ids`.
        references: its captions as words.
    """

    photos: NDArray[np.intp]
    ids: Ids
    scores: Floats
    tokens: Ids
    targets: Ids
    references: tuple[Captions, ...]


@dataclass(frozen=True, slots=True)
class _Example:
    """Something with captions, for `caption_ids`."""

    captions: Captions


def corpus_words(photos: Sequence[LabelledPhoto], texts: Sequence[LabelledText], least: int, most: int) -> list[str]:
    """The special words, then every word said so often, commonest first; `most` words at most.

    Words of photos that are there count three times: those of the others shall not crowd them out.
    """
    counts: Counter[str] = Counter()
    for photo in photos:
        for caption in photo.captions:
            counts.update(dict.fromkeys(caption, 3))
    for text in texts:
        for caption in text.captions:
            counts.update(caption)
    kept = sorted((word for word in counts if counts[word] >= least), key=lambda word: (-counts[word], word))
    return [*SPECIAL, *kept[: most - len(SPECIAL)]]


def captioned_sources(photos: Sequence[LabelledPhoto], words: Sequence[str], positions: int) -> list[Source]:
    """The photos with captions of their own: those of Flickr8k's layout, and all others; a source each."""
    flickr = [at for at, photo in enumerate(photos) if photo.captions and photo.source == FLICKR8K]
    others = [at for at, photo in enumerate(photos) if photo.captions and photo.source != FLICKR8K]
    return [
        _of_photos(np.array(rows, np.intp), [photos[at].captions for at in rows], words, positions)
        for rows in (flickr, others)
        if rows
    ]


def found_captions(
    photos: Sequence[LabelledPhoto],
    texts: Sequence[LabelledText],
    scores: Floats,
    labels: CaptionLabels,
    seed: int,
    kept: Path,
) -> dict[int, Captions]:
    """Captions for photos with labels and few captions of their own, by the photos' places.

    Args:
        photos: the training photos.
        texts: where captions are looked for.
        scores: how likely each label is, [photos, labels].
        labels: which these are.
        seed: decides between images that are as like.
        kept: a file that is read if it is there, and written if not: it takes minutes to find them.
    """
    if kept.exists():
        read = json.loads(kept.read_text(encoding="utf-8"))
        return {int(at): tuple(map(tuple, captions)) for at, captions in read.items()}
    random, found = np.random.default_rng(seed), {}
    finder = CaptionFinder(texts, labels.things)
    for at, photo in enumerate(photos):
        if not photo.labels or len(photo.captions) >= MOST_CAPTIONS:
            continue
        chances = {
            labels.things[t]: float(scores[at, t]) for t in np.flatnonzero(scores[at, : len(labels.things)] > LIKELY)
        }
        captions = finder.find(photo, chances, random)
        if captions:
            found[at] = captions
    kept.write_text(json.dumps(found), encoding="utf-8")
    return found


def found_source(found: dict[int, Captions], words: Sequence[str], positions: int) -> Source | None:
    """The photos for which captions were found; None if there are none."""
    rows = np.array(sorted(found), np.intp)
    return _of_photos(rows, [found[at] for at in rows], words, positions) if len(rows) else None


def text_source(
    texts: Sequence[LabelledText],
    photos: Sequence[LabelledPhoto],
    scores: Floats,
    labels: CaptionLabels,
    words: Sequence[str],
    positions: int,
    seed: int,
) -> Source | None:
    """Captions without photos. What they hear is what heads say of photos: a true label has the score of a photo that
    has it, false labels and classes are those of a photo with a label in common, and of the words that the caption
    says some are told.
    """
    if not texts or not any(photo.labels for photo in photos):
        return None
    random = np.random.default_rng(seed)
    places = {label: at for at, label in enumerate(labels.things)}
    said = {word: len(labels.things) + at for at, word in enumerate(labels.words)}
    having: dict[str, list[int]] = {}
    for at, photo in enumerate(photos):
        for label in photo.labels:
            having.setdefault(label, []).append(at)
    kept = [text for text in texts if text.labels and all(label in having for label in text.labels)]
    told = np.zeros((len(kept), scores.shape[1]), np.float32)
    for row, text in zip(told, kept, strict=True):
        like = having[text.labels[random.integers(len(text.labels))]]
        other = like[random.integers(len(like))]
        row[:] = scores[other]
        false = [places[label] for label in photos[other].labels if label in places and label not in text.labels]
        row[false] = 0  # what is right there is wrong here, and no head would say it of this one
        for label in text.labels:
            if label in places:
                examples = having[label]
                row[places[label]] = scores[examples[random.integers(len(examples))], places[label]]
        row[len(labels.things) : len(labels.things) + len(labels.words)] = 0
        spoken = {said[word] for caption in text.captions for word in caption if word in said}
        for at in spoken:
            if random.random() < SAID:
                row[at] = random.uniform(0.2, 0.9)
    ids, values = best_labels(told, labels)
    tokens, targets = caption_ids([_Example(text.captions) for text in kept], words, MOST_CAPTIONS, positions)
    return Source(np.full(len(kept), -1), ids, values, tokens, targets, tuple(text.captions for text in kept))


def _of_photos(rows: NDArray[np.intp], captions: Sequence[Captions], words: Sequence[str], positions: int) -> Source:
    tokens, targets = caption_ids([_Example(own) for own in captions], words, MOST_CAPTIONS, positions)
    nothing = np.zeros((0, 0))
    return Source(rows, nothing.astype(np.int32), nothing.astype(np.float32), tokens, targets, tuple(captions))
