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

from core.heads.captions import END, SPECIAL, START, CaptionSettings
from training.captioner.caption_package import write_decoder
from training.common.captions.caption_search import decode_grids, live_parts
from training.common.captions.decoder import Decoder
from training.common.captions.decoder_net import DecoderNet
from training.common.graph_runner import graph_parts
from worker.runtimes.openvino import OpenVinoRuntime

# Keras 3.15 asks TensorFlow for arrays in a way that numpy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NET = DecoderNet(layers=2, dim=32, heads=4, hidden=48, drop=0.3, drop_grid=0.1, drop_attention=0.1)
WORDS = (*SPECIAL, *(f"word{at}" for at in range(26)))
LENGTH, GRID = 7, (3, 4, 20)
SETTINGS = CaptionSettings(words="", most_words=LENGTH - 1, entry=2 * 2 * 32, beam_size=3)
ROOT = Path(__file__).resolve().parents[2]
BUILD = """
import keras
import numpy as np
from training.common.captions.decoder_net import DecoderNet
from training.common.captions.decoder import Decoder
values = np.load({weights!r})
decoder = Decoder(DecoderNet(**{net!r}), {words}, {length}, 12)
decoder.build((None, 3, 4, 20))
decoder.set_weights([values[f"v{{at}}"] for at in range(len(decoder.weights))])
np.save({out!r}, keras.ops.convert_to_numpy(decoder(values["grid"], values["tokens"])))
"""


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    """A decoder whose weights are drawn at random and fit into half precision, as they are written."""
    made = Decoder(NET, len(WORDS), LENGTH, 12)
    made.build((None, *GRID))
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
def graph(decoder: Decoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("decoder") / "graph.pb"
    write_decoder(path, decoder, GRID)
    return path


def some_tokens(photos: int, beams: int = 2) -> NDArray[np.int32]:
    tokens = np.random.default_rng(6).integers(3, len(WORDS), size=(photos, beams, LENGTH), dtype=np.int32)
    tokens[..., 0] = START
    return tokens


def test_a_step_with_a_cache_is_the_whole_sentence_at_every_position(
    decoder: Decoder, grids: NDArray[np.float32]
) -> None:
    tokens = some_tokens(len(grids))
    whole = ops.convert_to_numpy(ops.log_softmax(decoder(grids, tokens)))
    run = live_parts(decoder)
    memory = run({"grid": grids}, ("encoded",))["encoded"]
    cache = np.full((*tokens.shape, decoder.entry), 1e3, np.float32)  # what is behind a word must not matter
    for position in range(LENGTH):
        feeds = {"tokens": tokens[..., position], "position": np.array([position], np.int32)}
        out = run({**feeds, "cache": cache, "memory": memory}, ("log_probabilities", "entry"))
        cache[:, :, position] = out["entry"]
        assert np.abs(out["log_probabilities"] - whole[:, :, position]).max() < 1e-5
        assert np.isfinite(out["log_probabilities"]).all()
        assert np.exp(out["log_probabilities"]).sum(axis=-1) == pytest.approx(1, abs=1e-4)


def test_a_word_knows_nothing_of_later_ones(decoder: Decoder, grids: NDArray[np.float32]) -> None:
    tokens = some_tokens(len(grids))
    changed = tokens.copy()
    changed[..., 4:] = END
    first, second = (ops.convert_to_numpy(decoder(grids, given)) for given in (tokens, changed))
    assert np.array_equal(first[:, :, :4], second[:, :, :4])
    assert np.abs(first[:, :, 4] - second[:, :, 4]).max() > 1e-3


def feeds_of_a_step(decoder: Decoder, memory: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    random = np.random.default_rng(8)
    cache = random.normal(size=(len(memory), 3, LENGTH, decoder.entry)).astype(np.float32)
    tokens = random.integers(4, len(WORDS), size=(len(memory), 3), dtype=np.int32)
    return {"tokens": tokens, "position": np.array([3], np.int32), "cache": cache, "memory": memory}


def test_the_written_graph_gives_the_same_numbers_in_both_runtimes(
    decoder: Decoder, grids: NDArray[np.float32], graph: Path
) -> None:
    live = live_parts(decoder)
    memory = live({"grid": grids}, ("encoded",))["encoded"]
    feeds = feeds_of_a_step(decoder, memory)
    wanted = live(feeds, ("log_probabilities", "entry"))
    for run in (graph_parts(graph), OpenVinoRuntime(graph).run):
        assert np.abs(run({"grid": grids}, ("encoded",))["encoded"] - memory).max() < 1e-4
        found = run(feeds, ("log_probabilities", "entry"))
        for name, value in wanted.items():
            assert found[name].shape == value.shape
            assert np.abs(found[name] - value).max() < 1e-4


def test_a_caption_is_the_same_whatever_the_batch_and_whoever_computes_it(
    decoder: Decoder, grids: NDArray[np.float32], graph: Path
) -> None:
    together = decode_grids(live_parts(decoder), grids, WORDS, SETTINGS)
    assert len(set(together)) > 3
    assert all(len(said.split()) < LENGTH for said in together)
    for run in (live_parts(decoder), graph_parts(graph), OpenVinoRuntime(graph).run):
        assert [decode_grids(run, grid[None], WORDS, SETTINGS)[0] for grid in grids] == together
        assert decode_grids(run, grids[::-1], WORDS, SETTINGS) == together[::-1]


def test_nothing_but_keras_is_needed(decoder: Decoder, grids: NDArray[np.float32], tmp_path: Path) -> None:
    """The same weights give the same logits on another backend of Keras (which needs scipy)."""
    tokens, out = some_tokens(len(grids)), tmp_path / "logits.npy"
    values = {f"v{at}": value for at, value in enumerate(decoder.get_weights())}
    np.savez(tmp_path / "weights.npz", **values, grid=grids, tokens=tokens)
    given = {"weights": str(tmp_path / "weights.npz"), "net": NET.model_dump(), "out": str(out)}
    code = BUILD.format(**given, words=len(WORDS), length=LENGTH)
    environment = {**os.environ, "KERAS_BACKEND": "openvino", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert np.abs(np.load(out) - ops.convert_to_numpy(decoder(grids, tokens))).max() < 1e-3


NETWORKS = (
    "common/captions/decoder.py", "common/learning_rates.py", "common/moving_average.py", "common/texts/text_layers.py",
    "encoder/efficientnet_lite.py", "encoder/encoder_nets.py", "encoder/encoder_run.py", "captioner/caption_run.py",
    "captioner/caption_sampling.py", "tagger/tag_nets.py", "tagger/label_tower.py", "tagger/class_space.py",
    "tagger/feature_transform.py", "sentiment/sentiment_nets.py", "language/language_nets.py", "spam/spam_nets.py",
)  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_and_losses_are_written_with_keras_alone(name: str) -> None:
    tree = ast.parse((ROOT / "training" / name).read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {module.split(".")[0] for module in imported} & {"tensorflow", "jax", "torch"}
