"""The tagger: the same tags alone and in company, any list of labels, and each list embedded once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from core.artefacts.vocabularies import Vocabulary
from core.errors import ArtefactError, ItemError
from core.settings import load_settings
from core.tasks import TagOptions
from tests.support.artefacts import FEATURES, write_captioner, write_encoder
from tests.support.tagger import LABELS, SIZE, toy_vocabulary, write_tagger, write_text_encoder
from worker.models.load import load_model
from worker.models.model import InferenceRequest
from worker.models.tagger import Tagger
from worker.models.vocabulary_cache import VocabularyCache

OWN = ["a red dog", "grass!", "Dog", "dog", " dog ", "\u200b", "\U0001f600", "a" * 100, "\n", "猫"]
OPTIONS = (
    TagOptions(),
    TagOptions(vocabulary="open-images", top_k=2),
    TagOptions(vocabulary=OWN[:8], threshold=0.5),
    TagOptions(vocabulary=["dog", "cat"], top_k=1000),
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_encoder(folder)
    write_text_encoder(folder)
    write_tagger(folder)
    return folder


@pytest.fixture(scope="module")
def model(models: Path) -> Tagger:
    return loaded(models)


def loaded(models: Path, runtime: str = "openvino") -> Tagger:
    tagger = load_model(models / "namer@1.0.0", load_settings(runtime=runtime))
    assert isinstance(tagger, Tagger)
    return tagger


def requests(count: int, *options: TagOptions) -> list[InferenceRequest[TagOptions]]:
    rows = np.random.default_rng(7).uniform(-1, 1, (count, FEATURES)).astype(np.float32)
    return [InferenceRequest(row, options[at % len(options)]) for at, row in enumerate(rows)]


def tagged(model: Tagger, asked: list[InferenceRequest[TagOptions]]) -> list[dict[str, Any]]:
    return [model.render(raw, request.options).json for raw, request in zip(model.predict(asked), asked, strict=True)]


@pytest.mark.parametrize("runtime", ["openvino", "tensorflow"])
def test_tags_are_the_same_alone_and_among_others_with_other_options(models: Path, runtime: str) -> None:
    model = loaded(models, runtime)
    asked = requests(13, *OPTIONS)
    together = tagged(model, asked)
    assert together == [tagged(model, [request])[0] for request in asked]
    assert tagged(model, asked[::-1]) == together[::-1]


def test_the_answer_is_what_was_asked_for(model: Tagger) -> None:
    for request, result in zip(requests(8, *OPTIONS), tagged(model, requests(8, *OPTIONS)), strict=True):
        assert result["model"] == "namer@1.0.0"
        scores = [label["score"] for label in result["labels"]]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 for score in scores)
        assert len(scores) <= request.options.top_k
        assert min(scores, default=1) >= request.options.threshold
        wanted = request.options.vocabulary
        known = LABELS[wanted] if isinstance(wanted, str) else wanted
        assert {label["label"] for label in result["labels"]} <= set(known)


def test_labels_of_a_caller_that_read_the_same_are_one_and_what_cannot_be_read_is_none(model: Tagger) -> None:
    found = tagged(model, requests(1, TagOptions(vocabulary=OWN, top_k=1000)))[0]["labels"]
    assert {label["label"] for label in found} == {"a red dog", "grass!", "Dog"}
    for unreadable in (["\u200b", " "], ["\U0001f600", "猫"]):
        with pytest.raises(ItemError, match="None of the labels can be read"):
            tagged(model, requests(1, TagOptions(vocabulary=unreadable)))


def test_a_label_scores_the_same_in_every_list(model: Tagger) -> None:
    def score(labels: list[str]) -> float:
        found = tagged(model, requests(1, TagOptions(vocabulary=labels, top_k=1000)))[0]["labels"]
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

    lists = VocabularyCache(embed, kept=2)
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

    lists = VocabularyCache(embed)
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


def test_predicting_is_embedding_and_then_scoring(model: Tagger) -> None:
    """`embed` and `score` are seams of their own: what they give together is what `predict` gives, to the last bit."""
    asked = requests(6, TagOptions())
    raw = model.predict(asked)
    embeddings = model.embed([request.input for request in asked])
    assert embeddings.shape == (6, SIZE)
    assert embeddings.dtype == np.float32
    photos = model.vocabulary("photos")
    for one, embedding in zip(raw, embeddings, strict=True):
        assert (one.embedding == embedding).all()
        assert (one.scores == model.score(embedding[None], photos)[0]).all()
    assert np.allclose(model.score(embeddings, photos), [one.scores for one in raw], atol=1e-6)
    with pytest.raises(ValueError, match=r"scores \[N, 4\]"):
        model.score(embeddings[:, :3], photos)
    with pytest.raises(ValueError, match=r"scores \[N, 4\]"):
        model.score(embeddings[0], photos)


def test_a_stored_embedding_is_tagged_again_without_the_photo(models: Path, model: Tagger) -> None:
    asked = requests(8, TagOptions())
    outputs = [model.render(raw, request.options) for raw, request in zip(model.predict(asked), asked, strict=True)]
    stored = [np.frombuffer(output.embedding.tobytes(), np.float16) for output in outputs]
    another = loaded(models)  # another process, another day
    for options in OPTIONS:
        fresh = model.predict([InferenceRequest(request.input, options) for request in asked])
        for one, embedding in zip(fresh, stored, strict=True):
            again = another.tag(embedding, options)
            assert again.labels == one.labels
            assert np.abs(again.scores - one.scores).max() < 5e-3, "half precision moves a score by less than this"
    assert another.render(another.tag(stored[0], TagOptions()), TagOptions()).embedding.tobytes() == stored[0].tobytes()


def test_a_text_is_a_direction_in_the_space_of_the_photos(model: Tagger) -> None:
    """A search ranks stored embeddings by a text as a job ranks labels by a photo: by the same product."""
    embeddings = model.embed([request.input for request in requests(12, TagOptions())])
    direction = model.direction("red dog")
    assert (direction.shape, direction.dtype) == ((SIZE + 1,), np.float32)
    chances = model.score(embeddings, model.vocabulary(["red dog"]))[:, 0]
    products = embeddings.astype(np.float16).astype(np.float32) @ direction[:-1]
    assert (np.argsort(-products) == np.argsort(-chances)).all()
    assert 1 / (1 + np.exp(-(embeddings[0] @ direction[:-1] + direction[-1]))) == pytest.approx(chances[0], abs=1e-6)
    with pytest.raises(ItemError, match="None of the labels can be read"):
        model.direction("猫")


def test_vocabularies_say_what_they_are(tmp_path: Path) -> None:
    write_encoder(tmp_path)
    write_text_encoder(tmp_path)
    write_tagger(tmp_path, about={"photos": {"language": "en", "source": "made up"}})
    model = loaded(tmp_path)
    photos, other, own = model.vocabulary("photos"), model.vocabulary("open-images"), model.vocabulary(["dog"])
    assert (photos.name, photos.language, photos.source, photos.labels) == ("photos", "en", "made up", LABELS["photos"])
    assert (other.name, other.language, other.source) == ("open-images", None, None), "as older artefacts have it"
    assert (own.name, own.language, own.labels) == (None, None, ("dog",))
    with pytest.raises(KeyError):
        model.vocabulary("birds")
