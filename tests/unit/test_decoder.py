"""The captioner's decoder: word by word with a cache it says what it says of whole sentences, in every runtime."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("keras")

from keras import ops

from core.heads.captions import END, SPECIAL, START, CaptionSettings, Wording, encoded
from training.captioner.caption_graph import BeforeTheDecoder, write_decoder
from training.captioner.caption_labels import LabelPlaces
from training.captioner.label_heads import LabelHeads
from training.common.captions.caption_search import best_captions, live_parts
from training.common.captions.decoder import Decoder
from training.common.captions.decoder_net import DecoderNet
from training.common.graph_runner import graph_parts
from worker.runtimes.openvino import OpenVinoRuntime

# Keras 3.15 asks TensorFlow for arrays in a way that numpy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NET = DecoderNet(layers=2, dim=32, heads=4, hidden=48, drop=0.3, drop_grid=0.1, drop_attention=0.1)
WORDS = (*SPECIAL, *(f"word{at}" for at in range(26)))
LENGTH, GRID, WIDTH, CELLS = 7, (3, 4, 20), 16, 12
LABEL_WORDS = np.array([[4, 0], [5, 6], [7, 0], [0, 0], [8, 9], [10, 0]], np.int32)
SPANS = [(0, 2, LabelPlaces(1, 0.2)), (2, 4, LabelPlaces(2, 0.3)), (4, 6, LabelPlaces(1, 0.6))]
MEMORY = ("hidden", "keys_0", "values_0", "keys_1", "values_1")
SETTINGS = CaptionSettings(words="", labels="", most_words=LENGTH - 1, entry=(4, 32), memory=MEMORY, beam_size=3)
WORDING = Wording(WORDS, None)
ROOT = Path(__file__).resolve().parents[2]
BUILD = """
import keras
import numpy as np
from training.common.captions.decoder_net import DecoderNet
from training.common.captions.decoder import Decoder
values = np.load({weights!r})
decoder = Decoder(DecoderNet(**{net!r}), {words}, {length}, 12, values["sayings"])
decoder.build((None, 12, 16))
decoder.set_weights([values[f"v{{at}}"] for at in range(len(decoder.weights))])
memory = decoder.encode(values["cells"], values["ids"], values["scores"], values["seen"])
np.save({out!r}, keras.ops.convert_to_numpy(decoder(memory, values["tokens"])))
"""


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    """A decoder whose weights are drawn at random and fit into half precision, as they are written."""
    made = Decoder(NET, len(WORDS), LENGTH, CELLS, LABEL_WORDS)
    made.build((None, CELLS, WIDTH))
    random = np.random.default_rng(4)
    drawn = [random.normal(scale=0.35, size=weight.shape).astype(np.float16) for weight in made.weights]
    for at, weight in enumerate(made.weights):  # so that photos and words before make a difference
        if weight.name == "gamma":
            drawn[at] += np.float16(1)
        elif weight.name == "words":
            drawn[at] *= np.float16(0.3)
    made.set_weights([value.astype(np.float32) for value in drawn])
    return made


@pytest.fixture(scope="module")
def grids() -> NDArray[np.float32]:
    return np.random.default_rng(5).gamma(0.5, size=(9, *GRID)).astype(np.float32)


@pytest.fixture(scope="module")
def before() -> BeforeTheDecoder:
    """Projection, label heads and classifier whose weights fit into half precision."""
    random = np.random.default_rng(9)

    def drawn(*shape: int, scale: float = 1.0) -> NDArray[np.float32]:
        return random.normal(scale=scale, size=shape).astype(np.float16).astype(np.float32)

    heads = LabelHeads(drawn(GRID[-1], 4), drawn(4))
    return BeforeTheDecoder(GRID, drawn(GRID[-1], WIDTH, scale=0.3), heads, drawn(8, 2), drawn(2), SPANS)


@pytest.fixture(scope="module")
def feeds(before: BeforeTheDecoder, grids: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """What the decoder is given for the grids while it is trained."""
    cells = grids.reshape(len(grids), CELLS, GRID[-1])
    ids, scores = (ops.convert_to_numpy(found) for found in before.labels(cells))
    return {"cells": cells @ before.projection, "label_ids": ids, "label_scores": scores}


@pytest.fixture(scope="module")
def graph(decoder: Decoder, before: BeforeTheDecoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("decoder") / "graph.pb"
    write_decoder(path, decoder, before)
    return path


def memory_of(decoder: Decoder, feeds: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    ids, scores = feeds["label_ids"], feeds["label_scores"]
    seen = np.ones(len(ids), np.float32)
    found: NDArray[np.float32] = ops.convert_to_numpy(decoder.encode(feeds["cells"], ids, scores, seen))
    return found


def by_heads(decoder: Decoder, memory: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    return {name: ops.convert_to_numpy(value) for name, value in decoder.by_heads(memory).items()}


def some_tokens(photos: int, beams: int = 2) -> NDArray[np.int32]:
    tokens = np.random.default_rng(6).integers(3, len(WORDS), size=(photos, beams, LENGTH), dtype=np.int32)
    tokens[..., 0] = START
    return tokens


def test_a_step_with_a_cache_is_the_whole_sentence_at_every_position(
    decoder: Decoder, feeds: dict[str, NDArray[Any]]
) -> None:
    memory = memory_of(decoder, feeds)
    tokens = some_tokens(len(memory))
    whole = ops.convert_to_numpy(ops.log_softmax(decoder(memory, tokens)))
    run = live_parts(decoder)
    cache = np.full((LENGTH, 4, *tokens.shape[:2], 32), 1e3, np.float32)  # what is behind a word must not matter
    looked_at = by_heads(decoder, memory)
    for position in range(LENGTH):
        word = {"tokens": tokens[..., position], "position": np.array([position], np.int32)}
        for rows in {LENGTH, max(position, 1)}:  # with as many rows as may come, or only those that are there
            out = run({**word, "cache": cache[:rows], **looked_at}, ("log_probabilities", "entry"))
            assert np.abs(out["log_probabilities"] - whole[:, :, position]).max() < 1e-5
        cache[position] = out["entry"]
        assert np.abs(out["log_probabilities"] - whole[:, :, position]).max() < 1e-5
        assert np.isfinite(out["log_probabilities"]).all()
        assert np.exp(out["log_probabilities"]).sum(axis=-1) == pytest.approx(1, abs=1e-4)


def test_a_word_knows_nothing_of_later_ones(decoder: Decoder, feeds: dict[str, NDArray[Any]]) -> None:
    memory = memory_of(decoder, feeds)
    tokens = some_tokens(len(memory))
    changed = tokens.copy()
    changed[..., 4:] = END
    first, second = (ops.convert_to_numpy(decoder(memory, given)) for given in (tokens, changed))
    assert np.array_equal(first[:, :, :4], second[:, :, :4])
    assert np.abs(first[:, :, 4] - second[:, :, 4]).max() > 1e-3


def feeds_of_a_step(decoder: Decoder, memory: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    random = np.random.default_rng(8)
    cache = random.normal(size=(4, 4, len(memory), 3, 32)).astype(np.float32)
    tokens = random.integers(4, len(WORDS), size=(len(memory), 3), dtype=np.int32)
    return {"tokens": tokens, "position": np.array([3], np.int32), "cache": cache, **by_heads(decoder, memory)}


def test_what_is_not_there_is_not_looked_at(decoder: Decoder, feeds: dict[str, NDArray[Any]]) -> None:
    """Cells that are hidden and labels without a score change nothing; those that are there do."""
    tokens = some_tokens(len(feeds["cells"]))

    def said(cells: NDArray[Any], ids: NDArray[Any], scores: NDArray[Any], seen: float) -> NDArray[Any]:
        there = np.full(len(cells), seen, np.float32)
        memory = decoder.encode(cells.astype(np.float32), ids, scores.astype(np.float32), there)
        return np.asarray(ops.convert_to_numpy(decoder(memory, tokens)))

    cells, ids, scores = feeds["cells"], feeds["label_ids"], feeds["label_scores"]
    other = (ids + 1) % len(LABEL_WORDS)
    assert np.array_equal(said(cells, ids, scores, 0), said(cells + 9, ids, scores, 0))
    assert np.abs(said(cells, ids, scores, 1) - said(cells + 9, ids, scores, 1)).max() > 1e-2
    assert np.array_equal(said(cells, ids, scores * 0, 1), said(cells, other, scores * 0, 1))
    assert np.abs(said(cells, ids, scores, 1) - said(cells, other, scores, 1)).max() > 1e-2
    assert np.isfinite(said(cells, ids, scores * 0, 0)).all()


def test_the_written_graph_gives_the_same_numbers_in_both_runtimes(
    decoder: Decoder, feeds: dict[str, NDArray[Any]], grids: NDArray[np.float32], graph: Path
) -> None:
    live, memory = live_parts(decoder), memory_of(decoder, feeds)
    step = feeds_of_a_step(decoder, memory)
    wanted = live(step, ("log_probabilities", "entry"))
    assert (feeds["label_scores"] == 0).any()
    assert (feeds["label_scores"] > 0).any()
    for run in (graph_parts(graph), OpenVinoRuntime(graph).run):
        first = run({"grid": grids}, (*map(encoded, MEMORY), "label_ids", "label_scores"))
        assert np.array_equal(first["label_ids"], feeds["label_ids"])
        assert np.abs(first["label_scores"] - feeds["label_scores"]).max() < 1e-5
        for name in MEMORY:
            assert np.abs(first[encoded(name)] - step[name]).max() < 1e-4
        found = run(step, ("log_probabilities", "entry"))
        for name, value in wanted.items():
            assert found[name].shape == value.shape
            assert np.abs(found[name] - value).max() < 1e-4


def test_a_caption_is_the_same_whatever_the_batch_and_whoever_computes_it(
    decoder: Decoder, feeds: dict[str, NDArray[Any]], grids: NDArray[np.float32], graph: Path
) -> None:
    def told(run: Any, given: dict[str, NDArray[Any]]) -> list[str]:
        return [caption.text for caption in best_captions(run, given, WORDING, SETTINGS)]

    together = told(live_parts(decoder), feeds)
    assert len(set(together)) > 3
    assert all(len(said.split()) < LENGTH for said in together)
    written = {"grid": grids}
    for run, given in (
        (live_parts(decoder), feeds),
        (graph_parts(graph), written),
        (OpenVinoRuntime(graph).run, written),
    ):
        alone = [told(run, {name: value[at : at + 1] for name, value in given.items()})[0] for at in range(len(grids))]
        assert alone == together
        assert told(run, {name: value[::-1] for name, value in given.items()}) == together[::-1]


def test_nothing_but_keras_is_needed(decoder: Decoder, feeds: dict[str, NDArray[Any]], tmp_path: Path) -> None:
    """The same weights give the same logits on another backend of Keras (which needs scipy)."""
    tokens, out = some_tokens(len(feeds["cells"])), tmp_path / "logits.npy"
    values = {f"v{at}": value for at, value in enumerate(decoder.get_weights())}
    cells, ids, scores = feeds["cells"].astype(np.float32), feeds["label_ids"], feeds["label_scores"]
    given = {"cells": cells, "ids": ids, "scores": scores, "seen": np.ones(len(cells), np.float32)}
    np.savez(tmp_path / "weights.npz", **values, **given, sayings=LABEL_WORDS, tokens=tokens)
    memory = memory_of(decoder, feeds)
    places = {"weights": str(tmp_path / "weights.npz"), "net": NET.model_dump(), "out": str(out)}
    code = BUILD.format(**places, words=len(WORDS), length=LENGTH)
    environment = {**os.environ, "KERAS_BACKEND": "openvino", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert np.abs(np.load(out) - ops.convert_to_numpy(decoder(memory, tokens))).max() < 1e-3


NETWORKS = (
    "common/captions/decoder.py", "common/learning_rates.py", "common/moving_average.py", "common/texts/text_layers.py",
    "encoder/efficientnet_lite.py", "encoder/encoder_nets.py", "encoder/encoder_run.py", "captioner/caption_run.py",
    "captioner/caption_sampling.py", "captioner/sequence_run.py", "tagger/tag_nets.py",
    "tagger/label_tower.py", "tagger/class_space.py",
    "tagger/feature_transform.py", "sentiment/sentiment_nets.py", "language/language_nets.py", "spam/spam_nets.py",
)  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_and_losses_are_written_with_keras_alone(name: str) -> None:
    tree = ast.parse((ROOT / "training" / name).read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {module.split(".")[0] for module in imported} & {"tensorflow", "jax", "torch"}
