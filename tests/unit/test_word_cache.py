"""What a decoder has computed for earlier words stays with the beams that go on from them."""

from __future__ import annotations

import numpy as np

from core.heads.word_cache import WordCache

WORDS, PARTS, NUMBERS, BEAMS = 6, 2, 3, 4


def test_every_beam_finds_what_was_computed_for_the_words_before_it_however_beams_and_photos_go() -> None:
    rng = np.random.default_rng(3)
    cache, photos = WordCache(WORDS, (PARTS, NUMBERS), 5 * BEAMS), np.arange(5)
    parents = np.zeros((5, BEAMS), np.intp)
    beams: list[list[list[np.ndarray]]] = [[[] for _ in range(BEAMS)] for _ in range(5)]  # by photo and beam, its words
    for length in range(WORDS):
        seen = cache.follow(parents, photos)
        beams = [[list(beams[photo][parent]) for parent in row] for photo, row in zip(photos, parents, strict=True)]
        assert seen.shape == (max(length, 1), PARTS, len(photos), BEAMS, NUMBERS)
        assert seen.flags.c_contiguous
        if not length:
            assert not seen.any()
        for at, of_photo in enumerate(beams):
            for beam, words in enumerate(of_photo):
                assert all((seen[word, :, at, beam] == kept).all() for word, kept in enumerate(words))
        entry = rng.random((PARTS, len(photos), BEAMS, NUMBERS)).astype(np.float32)
        cache.add(entry)
        for at, of_photo in enumerate(beams):
            for beam, words in enumerate(of_photo):
                words.append(entry[:, at, beam])
        photos = np.flatnonzero(rng.random(len(photos)) < 0.8) if length % 2 else np.arange(len(photos))
        photos = photos if len(photos) else np.array([0])
        parents = rng.integers(0, BEAMS, (len(photos), BEAMS))
