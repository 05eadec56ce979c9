"""The label tower gives back what was learnt, and by meaning alone what was not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("keras")

from keras import ops

from training.tagger.class_space import SURE, UNSURE, ClassSpace, fit_class_space
from training.tagger.feature_transform import fit_feature_transform, principal_components
from training.tagger.int8_matrix import Int8Matrix
from training.tagger.label_tower import LabelTowerFit

# Keras 3.15 asks TensorFlow for arrays in a way that numpy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
Floats = NDArray[np.float32]


def unit(count: int, seed: int) -> Floats:
    rows = np.random.default_rng(seed).normal(size=(count, 48)).astype(np.float32)
    found: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return found


@pytest.fixture(scope="module")
def classes() -> ClassSpace:
    probabilities = np.random.default_rng(1).dirichlet(np.full(60, 0.05), 200).astype(np.float32)
    allowed = np.arange(60) != 7
    return fit_class_space(unit(60, 0), allowed, probabilities, size=24, seed=0)


def test_a_class_that_is_seen_makes_its_label_likely(classes: ClassSpace) -> None:
    directions = np.asarray(classes.directions(unit(60, 0)))
    logits = np.asarray(classes.expected(np.eye(60, dtype=np.float32))) @ directions[:, :-1].T + directions[:, -1]
    own = np.diag(logits)[np.arange(60) != 7]
    assert own.min() > 0
    assert np.median(logits) < -2
    assert (logits.argmax(axis=1) == np.arange(60))[np.arange(60) != 7].all()
    assert (logits[7] == classes.base).all(), "of a class that training must not know nothing is said"


def test_a_label_above_several_classes(classes: ClassSpace) -> None:
    members = np.zeros((60, 1), np.float32)
    members[10:14] = 1
    direction = classes.hypernym_directions(members)[0]
    logits = classes.positions @ direction[:-1] + direction[-1]
    # These classes have nothing in common, and 60 of them share 24 numbers: they stand out together, not each.
    assert logits[10:14].mean() > np.delete(logits, range(10, 14)).mean() + 1
    assert UNSURE < logits[10:14].mean() < SURE + 1


def test_labels_learnt_are_given_back_and_far_ones_have_their_meaning_alone(classes: ClassSpace) -> None:
    learnt, random = unit(30, 2), np.random.default_rng(3)
    directions = random.normal(size=(30, 8 + 24 + 1)).astype(np.float32)
    shown = np.where(np.arange(30) < 15, 1e4, 1e-2).astype(np.float32)
    tower = LabelTowerFit(learnt, shown, bandwidth=0.05, noise=1.0, classes=classes)(directions)
    found = np.asarray(tower(learnt))
    assert np.abs(found[:15] - directions[:15]).max() < 0.1
    alone = np.asarray(classes.directions(learnt))
    assert np.abs(found[15:, 8:] - alone[15:]).max() < 0.3
    assert np.abs(found[15:, :8]).max() < 0.3


def test_the_transform_keeps_what_varies_most() -> None:
    random = np.random.default_rng(0)
    rows = (random.normal(size=(300, 3)) * [5, 3, 1]) @ np.linalg.qr(random.normal(size=(20, 3)))[0].T
    deviations, directions = principal_components(rows.astype(np.float32), 2)
    assert deviations == pytest.approx([5, 3], rel=0.2)
    assert directions.T @ directions == pytest.approx(np.eye(2), abs=1e-3)
    pooled = np.concatenate([rows, random.dirichlet(np.ones(5), 300)], axis=1).astype(np.float32)
    transform = fit_feature_transform(pooled, classes=5, components=2, whiten=0.5, gain=1.5)
    given = np.asarray(transform(pooled))
    assert given.shape == (300, transform.width) == (300, 7)
    assert given[:, :2].std() == pytest.approx(1, rel=0.05)
    assert np.abs(given[:, 2:].mean()) < 1e-3


def test_a_matrix_in_bytes_is_nearly_itself() -> None:
    matrix = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32) * [1e-3, 1, 10, 0]
    rows = np.random.default_rng(1).normal(size=(6, 50)).astype(np.float32)
    stored = Int8Matrix.of(matrix.astype(np.float32))
    found = ops.convert_to_numpy(stored.multiply(rows))
    bound = np.abs(rows).sum(axis=1, keepdims=True) * stored.scale / 2  # every element is off by half a step at most
    assert (np.abs(found - rows @ matrix) <= bound + 1e-4).all()
    assert not found[:, 3].any()
