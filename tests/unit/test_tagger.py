"""The tagger: the same tags alone and in company, any list of labels, and each list embedded once."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from core.errors import ArtefactError, ItemError
from core.heads.tags import Vocabulary
from core.settings import load_settings
from tests.support.artefacts import FEATURES, write_captioner, write_encoder
from tests.support.tagger import LABELS, toy_vocabulary, write_tagger, write_text_encoder
from worker.models.load import load_model
from worker.models.model import InferenceRequest, Model
from worker.models.tagger import OwnVocabularies

OWN = ["a red dog", "grass!", "Dog", "dog", " dog ", "\u200b", "\U0001f600", "a" * 100, "\n", "猫"]
OPTIONS: tuple[Mapping[str, Any], ...] = (
    {},
    {"vocabulary": "open-images", "top_k": 2},
    {"vocabulary": OWN[:8], "threshold": 0.5},
    {"vocabulary": ["dog", "cat"], "top_k": 1000},
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_encoder(folder)
    write_text_encoder(folder)
    write_tagger(folder)
    return folder


@pytest.fixture(scope="module")
def model(models: Path) -> Model:
    return load_model(models / "namer@1.0.0", load_settings(runtime="openvino"))


def requests(count: int, *options: Mapping[str, Any]) -> list[InferenceRequest]:
    rows = np.random.default_rng(7).uniform(-1, 1, (count, FEATURES)).astype(np.float32)
    return [InferenceRequest(row, options[at % len(options)]) for at, row in enumerate(rows)]


def tagged(model: Model, asked: list[InferenceRequest]) -> list[dict[str, Any]]:
    return [model.render(raw, request.options) for raw, request in zip(model.predict(asked), asked, strict=True)]


@pytest.mark.parametrize("runtime", ["openvino", "tensorflow"])
def test_tags_are_the_same_alone_and_among_others_with_other_options(models: Path, runtime: str) -> None:
    model = load_model(models / "namer@1.0.0", load_settings(runtime=runtime))
    asked = requests(13, *OPTIONS)
    together = tagged(model, asked)
    assert together == [tagged(model, [request])[0] for request in asked]
    assert tagged(model, asked[::-1]) == together[::-1]


def test_the_answer_is_what_was_asked_for(model: Model) -> None:
    for request, result in zip(requests(8, *OPTIONS), tagged(model, requests(8, *OPTIONS)), strict=True):
        assert result["model"] == "namer@1.0.0"
        scores = [label["score"] for label in result["labels"]]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 for score in scores)
        assert len(scores) <= request.options.get("top_k", 20)
        assert min(scores, default=1) >= request.options.get("threshold", 0)
        wanted = request.options.get("vocabulary", "photos")
        known = LABELS[wanted] if isinstance(wanted, str) else wanted
        assert {label["label"] for label in result["labels"]} <= set(known)


def test_labels_of_a_caller_that_read_the_same_are_one_and_what_cannot_be_read_is_none(model: Model) -> None:
    found = tagged(model, requests(1, {"vocabulary": OWN, "top_k": 1000}))[0]["labels"]
    assert {label["label"] for label in found} == {"a red dog", "grass!", "Dog"}
    for unreadable in (["\u200b", " "], ["\U0001f600", "猫"]):
        with pytest.raises(ItemError, match="None of the labels can be read"):
            tagged(model, requests(1, {"vocabulary": unreadable}))


def test_a_label_scores_the_same_in_every_list(model: Model) -> None:
    def score(labels: list[str]) -> float:
        found = tagged(model, requests(1, {"vocabulary": labels, "top_k": 1000}))[0]["labels"]
        return next(float(entry["score"]) for entry in found if entry["label"] == "red dog")

    alone = score(["red dog"])
    assert score(["cat", "red dog", "grass"]) == pytest.approx(alone, abs=1e-6)
    assert score([*(f"label {at}" for at in range(999)), "red dog"]) == pytest.approx(alone, abs=1e-6)


def test_a_list_is_embedded_once_however_many_ask_at_once() -> None:
    asked: list[tuple[str, ...]] = []

    def embed(labels: tuple[str, ...]) -> Vocabulary:
        asked.append(labels)
        time.sleep(0.05)
        return toy_vocabulary(labels)

    lists = OwnVocabularies(embed, kept=2)
    start = threading.Barrier(8)

    def ask(at: int) -> Vocabulary:
        start.wait()
        return lists.get(("dog", str(at % 2)))

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(8)))
    assert sorted(asked) == [("dog", "0"), ("dog", "1")]
    assert len({id(vocabulary) for vocabulary in found}) == 2
    lists.get(("cat",))  # drops the one that was asked for longest ago
    lists.get(("cat",))
    assert len(asked) == 3


def test_a_list_that_failed_is_tried_again() -> None:
    failures = [RuntimeError("out of memory")]

    def embed(labels: tuple[str, ...]) -> Vocabulary:
        if failures:
            raise failures.pop()
        return toy_vocabulary(labels)

    lists = OwnVocabularies(embed)
    with pytest.raises(RuntimeError, match="out of memory"):
        lists.get(("dog",))
    assert lists.get(("dog",)).labels == ("dog",)


def test_only_artefacts_that_fit_together_are_loaded(models: Path, tmp_path: Path) -> None:
    write_encoder(tmp_path)
    write_text_encoder(tmp_path)
    write_captioner(tmp_path)
    settings = load_settings(runtime="openvino")
    cases = {
        "lonely": ({"encoders": {"image": "eye@1.0.0"}}, "encoder_missing"),
        "deaf": ({"encoders": {"image": "eye@1.0.0", "text": "eye@1.0.0"}}, "encoder_mismatch"),
        "mute": ({"settings": {"size": 4, "vocabularies": {}}}, "manifest_invalid"),
        "wide": ({"settings": {"size": 3, "vocabularies": {}}}, "manifest_invalid"),
    }
    for name, (fields, code) in cases.items():
        folder = write_tagger(tmp_path, name, **fields)
        with pytest.raises(ArtefactError) as caught:
            load_model(folder, settings)
        assert caught.value.code == code, name
