"""The captioner: the same sentence alone and in company, one step a word, and only artefacts that fit together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("tensorflow")

from core.errors import ArtefactError
from core.settings import load_settings
from core.tasks import CaptionOptions
from tests.support.artefacts import BEAM_WORDS, FEATURES, MOST_WORDS, write_captioner, write_encoder
from worker.models.captioner import Captioner
from worker.models.load import load_model
from worker.models.model import InferenceRequest, Model
from worker.runtimes.runtime import Runtime

OPTIONS = (
    CaptionOptions(),
    CaptionOptions(beam_size=1, max_words=5),
    CaptionOptions(beam_size=3, max_words=8, candidates=3),
    CaptionOptions(beam_size=8, max_words=30, candidates=8),
)

SETTINGS = {"words": "words.txt", "most_words": 8, "entry": [1, 6], "memory": ["cells"]}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_encoder(folder)
    write_captioner(folder)
    return folder


def requests(count: int, *options: CaptionOptions) -> list[InferenceRequest[CaptionOptions]]:
    grids = np.random.default_rng(7).uniform(-1, 1, (count, 2, 2, FEATURES)).astype(np.float32)
    return [InferenceRequest(grid, options[at % len(options)]) for at, grid in enumerate(grids)]


def told(model: Model, asked: Sequence[InferenceRequest[CaptionOptions]]) -> list[dict[str, Any]]:
    return [model.render(raw, request.options) for raw, request in zip(model.predict(asked), asked, strict=True)]


@pytest.mark.parametrize("runtime", ["openvino", "tensorflow"])
def test_a_caption_is_the_same_alone_and_among_others_with_other_options(models: Path, runtime: str) -> None:
    model = load_model(models / "teller@1.0.0", load_settings(runtime=runtime))
    asked = requests(13, *OPTIONS)
    together = told(model, asked)
    assert together == [told(model, [request])[0] for request in asked]
    assert told(model, asked[::-1]) == together[::-1]
    assert len({result["text"] for result in together}) > 3


def test_the_answer_is_what_was_asked_for(models: Path) -> None:
    model = load_model(models / "teller@1.0.0", load_settings(runtime="openvino"))
    for request, result in zip(requests(8, *OPTIONS), told(model, requests(8, *OPTIONS)), strict=True):
        wanted = request.options.candidates
        assert result["model"] == "teller@1.0.0"
        assert set(result["text"].split()) <= set(BEAM_WORDS)
        assert len(result["text"].split()) <= min(request.options.max_words, MOST_WORDS)
        assert 0 < result["score"] <= 1
        assert ("candidates" in result) == (wanted > 1)
        if wanted > 1:
            first, *others = result["candidates"]
            assert first == {"text": result["text"], "score": result["score"]}
            assert 1 <= len(others) < wanted
            assert len({candidate["text"] for candidate in result["candidates"]}) == len(result["candidates"])


class Counting:
    """A runtime that remembers how many photos each of its runs was for."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime, self.name, self.device, self.streams = runtime, runtime.name, runtime.device, runtime.streams
        self.photos: list[int] = []

    def run(self, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        if "tokens" in feeds:
            self.photos.append(len(feeds["tokens"]))
        return self._runtime.run(feeds, outputs)


def test_the_decoder_runs_once_a_word_for_all_and_finished_photos_leave(models: Path) -> None:
    model = load_model(models / "teller@1.0.0", load_settings(runtime="openvino"))
    assert isinstance(model, Captioner)
    counting = Counting(model._runtime)
    model._runtime = counting
    model.predict(requests(16, CaptionOptions(beam_size=1, max_words=8)))
    assert len(counting.photos) <= 8 + 1
    assert counting.photos[0] == 16
    assert counting.photos == sorted(counting.photos, reverse=True)
    assert counting.photos[-1] < 16


@pytest.mark.parametrize(
    ("fields", "code", "says"),
    [
        ({"encoder": "eye@9.0.0"}, "encoder_missing", "eye@9.0.0"),
        ({"encoder": "teller@1.0.0"}, "encoder_missing", "reads another model itself"),
        ({"encoders": {}}, "encoder_missing", "names no image encoder"),
        ({"preprocessing": {"medium": "image", "size": [32, 32]}}, "encoder_mismatch", "preprocessing"),
        ({"inputs": {"features": {"dtype": "float32", "shape": [None]}}}, "encoder_mismatch", "grid, pooled"),
        ({"inputs": {"grid": {"dtype": "float32", "shape": [None, 9, 9, 1280]}}}, "encoder_mismatch", "1280"),
        ({"settings": {"words": "words.txt"}}, "manifest_invalid", "most_words"),
        ({"settings": {**SETTINGS, "words": "none.txt"}}, "manifest_invalid", "none.txt"),
        ({"settings": {**SETTINGS, "entry": [1, 5]}}, "warm_up_failed", "example"),
        ({"settings": {**SETTINGS, "entry": 6}}, "manifest_invalid", "entry"),
        ({"settings": {**SETTINGS, "memory": ["grids"]}}, "graph_output_missing", "grids"),
        ({"outputs": {"log_probabilities": {"dtype": "float32", "shape": [None, None, 11]}}}, "warm_up_failed", "list"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(
    tmp_path: Path, fields: dict[str, Any], code: str, says: str
) -> None:
    write_encoder(tmp_path)
    write_captioner(tmp_path)
    folder = write_captioner(tmp_path, "2.0.0", **fields)
    with pytest.raises(ArtefactError, match=says) as caught:
        load_model(folder, load_settings(runtime="openvino"))
    assert caught.value.code == code
