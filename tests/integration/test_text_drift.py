"""No drift: the shipped text models say in the worker what the offline measurement says, text by text."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, cast

import numpy as np
import pytest

pytest.importorskip("keras")

from core.artefacts.manifest import load_manifest
from core.errors import ItemError
from core.settings import load_settings
from core.tasks import TASKS
from core.texts.prepare import MAX_CHARS, TextSpec, prepare_text, strip_accents
from tests.support.made_up import write_made_up
from training.common.datasets.labelled_texts import read_tagged
from training.common.texts.offline_classifier import OfflineTextClassifier
from training.language.language_measure import declaration
from training.sentiment.sentiment_data import read_reviews
from worker.models.load import load_model
from worker.models.model import InferenceRequest, TextModel

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = ROOT.parent / "shared" / "data" / "text"  # used where it is there, see training/README.md
ITEMS = 200
DEFAULTS = {name: task.options() for name, task in TASKS.items()}
SHIPPED = [
    folder
    for folder in sorted((ROOT / "models").iterdir())
    if (folder / "manifest.json").exists() and load_manifest(folder, verify=False).kind == "text-classifier"
]
ODD = (
    "a",
    "I",
    "ñ",
    "👩\u200d👩\u200d👧\u200d👦 fun 🇫🇷",
    "\x00\x01ab\x7f\u202ecd\u2066",
    "z\u0338\u0321a\u0337l\u0334g\u0335o" * 50,
    "日本語 and text",
    "!?" * 3_000 + "a",
    "a " * 5_000,
    "long word " + "x" * 9_000,
)
KERAS = "ignore:__array__ implementation:DeprecationWarning"
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings(KERAS)]


def items_of(task: str, made_up: Path) -> list[str]:
    """Test items of a task: real ones where the data is there, else made-up ones."""
    if task == "language":
        sentences = [example.text for example in declaration()]
        words = [word for text in sentences for word in text.split()]
        return [*sentences[:100], *Random(0).sample(words, 50), *map(strip_accents, sentences[100:150])]
    if task == "spam":
        path = DATA / "sms_spam.tsv"
        return [example.text for example in islice(read_tagged(path if path.exists() else made_up / path.name), ITEMS)]
    path = DATA / "imdb_reviews.jsonl.gz"
    reviews = read_reviews(path if path.exists() else made_up / "aclImdb")
    found = [example.text for example in reviews if example.split == "test"]
    return Random(0).sample(found * -(-ITEMS // len(found)), ITEMS)


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made-up")
    write_made_up(folder)
    return folder


def asked(model: TextModel, prepared: Any) -> InferenceRequest[Any]:
    return InferenceRequest(prepared, DEFAULTS[model.manifest.task])


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
@pytest.mark.parametrize("runtime", ["openvino", "tensorflow"])
def test_the_worker_says_what_was_measured(folder: Path, runtime: str, made_up: Path) -> None:
    classifier = OfflineTextClassifier(folder)
    texts = items_of(classifier.manifest.task, made_up)
    assert len(texts) == ITEMS
    offline = classifier.probabilities(texts)
    model = cast(TextModel, load_model(folder, load_settings(runtime=runtime)))
    raw = model.predict([asked(model, model.prepare(text)) for text in texts])
    served = np.stack([judged.probabilities for judged in raw])
    # Another order of additions, by another runtime or another length of padding, moves the last bits and no more.
    assert np.abs(served - offline).max() < 2e-5
    threshold = classifier.manifest.threshold
    wanted = offline.argmax(axis=1) if threshold is None else (offline[:, 1] >= threshold).astype(int)
    clear = np.abs(offline[:, 1] - (threshold or 0.5)) > 2e-5 if offline.shape[1] == 2 else np.ones(len(texts), bool)
    labels = [classifier.labels.index(model.render(judged, DEFAULTS[model.manifest.task])["label"]) for judged in raw]
    assert (np.array(labels) == wanted)[clear].all()


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_odd_texts_get_a_result_or_a_code(folder: Path) -> None:
    model = cast(TextModel, load_model(folder, load_settings(runtime="openvino")))
    for judged in model.predict([asked(model, model.prepare(text)) for text in ODD]):
        assert np.isfinite(judged.probabilities).all()
        assert judged.probabilities.sum() == pytest.approx(1, abs=1e-4)
        assert "truncated" not in model.render(judged, DEFAULTS[model.manifest.task])
    for nothing in ("", " \n", "\x00\u200b"):
        with pytest.raises(ItemError, match="text_empty"):
            model.prepare(nothing)


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_what_is_too_long_is_cut_and_says_so(folder: Path) -> None:
    spec = load_manifest(folder).preprocessing
    assert isinstance(spec, TextSpec)
    text = "a fine day " * (MAX_CHARS // 11 + 1)
    assert len(text) > MAX_CHARS
    cut, whole = prepare_text(text, spec), prepare_text(text[:MAX_CHARS], spec)
    assert (cut.truncated, whole.truncated) == (True, False)
    assert np.array_equal(cut.ids, whole.ids)
    model = cast(TextModel, load_model(folder, load_settings(runtime="openvino")))
    first, second = model.predict([asked(model, cut), asked(model, whole)])
    assert model.render(first, DEFAULTS[model.manifest.task])["truncated"] is True
    assert "truncated" not in model.render(second, DEFAULTS[model.manifest.task])
    assert np.allclose(first.probabilities, second.probabilities, atol=1e-6)
