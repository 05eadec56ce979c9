"""What the shipped models say through ONNX Runtime, from exports of their graphs, is what they say through OpenVINO.

ONNX Runtime computes here on the processor, in the order of operations in which it does so on a card.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

pytest.importorskip("tensorflow")
pytest.importorskip("tf2onnx")
pytest.importorskip("onnxruntime")

from core.artefacts.manifest import load_manifest
from core.images.decode import decode_image
from core.settings import MODELS_DIR, Settings
from core.tasks import read_options
from db.engine import Database
from db.results import stream_results
from db.workers import running_variants
from tests.support.artefacts import set_defaults, write_captioner, write_encoder
from tests.support.cards import machine
from tests.support.jobs import make_job
from tests.support.photos import photo_server
from tests.support.worker import run_chunk
from training.common.onnx.onnx_write import write_export
from training.onnx_answers import TEXTS
from worker.metrics import Metrics
from worker.models.load import load_model
from worker.models.model import InferenceRequest, OutputReader, TextModel
from worker.process.lifetime import close_worker, open_worker

SAMPLES = sorted((Path(__file__).resolve().parents[2] / "samples").glob("*.jpg"))
ON_PHOTOS = {"classify": "efficientnet-lite2", "caption": "caption-transformer", "tag": "tag-open"}
READ = ("minilm-l6",)
ON_TEXTS = ("language-conv", "language-ff", "language-rnn", "sentiment-ngram-conv", "spam-ngram")
TOLERANCE = 1e-4  # of scores, 0 to 1; other runtimes add in another order
EIGHT_BITS = 0.02  # of scores of a caller's own labels: runtimes round the text encoder's eight bits in their own way

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped artefacts, those whose graphs are TensorFlow's with an export."""
    models = tmp_path_factory.mktemp("models")
    for name in (*ON_PHOTOS.values(), *READ, *ON_TEXTS):
        (models / name).mkdir()
        for file in (MODELS_DIR / name).iterdir():
            (models / name / file.name).symlink_to(file)
        if (models / name / "graph.pb").exists():
            write_export(models / name / "graph.pb", list(load_manifest(MODELS_DIR / name, verify=False).outputs))
    return models


@cache
def served(models: Path, runtime: str, name: str) -> Any:
    return load_model(models / name, Settings(runtime=runtime, precision="f32", models_dir=models))


def photo_rows(models: Path, runtime: str, output: str) -> list[Any]:
    """One output of the encoder for each of the sample photos."""
    eye: OutputReader = served(models, runtime, ON_PHOTOS["classify"])
    spec: Any = eye.manifest.preprocessing
    photos = [decode_image(path.read_bytes(), spec, 10**8).pixels for path in SAMPLES]
    return [row[output] for row in eye.encoder.encode(photos, (output,))]


def said_of_photos(models: Path, runtime: str, task: str) -> list[dict[str, Any]]:
    """What the models say of the sample photos, rendered as a worker stores it."""
    options = read_options(task, {})
    model = served(models, runtime, ON_PHOTOS[task])
    rows = photo_rows(models, runtime, {"classify": "probabilities", "caption": "grid", "tag": "pooled"}[task])
    raw = model.predict([InferenceRequest(row, options) for row in rows])
    return [getattr(one, "json", one) for one in (model.render(each, options) for each in raw)]


def test_photos_get_the_same_labels_and_sentences(models: Path) -> None:
    """Would fail if a part of an export were converted wrongly, or fed what another part takes."""
    for task in ("classify", "tag"):
        expected, found = (said_of_photos(models, runtime, task) for runtime in ("openvino", "onnx"))
        for before, now in zip(expected, found, strict=True):
            assert [one["label"] for one in now["labels"]] == [one["label"] for one in before["labels"]], task
            apart = [abs(a["score"] - b["score"]) for a, b in zip(now["labels"], before["labels"], strict=True)]
            assert max(apart) < TOLERANCE
    expected, found = (said_of_photos(models, runtime, "caption") for runtime in ("openvino", "onnx"))
    assert [one["text"] for one in found] == [one["text"] for one in expected]
    assert max(abs(a["score"] - b["score"]) for a, b in zip(found, expected, strict=True)) < TOLERANCE


def test_labels_of_a_callers_own_score_alike(models: Path) -> None:
    """The text encoder's ONNX file is run as it is, and the tagger's two parts by its export."""
    options = read_options("tag", {"vocabulary": ["a cat", "a cup of coffee", "a rocket"], "threshold": 0, "top_k": 3})
    scores = []
    for runtime in ("openvino", "onnx"):
        tagger = served(models, runtime, "tag-open")
        rows = photo_rows(models, runtime, "pooled")
        scores.append(
            np.stack([raw.scores for raw in tagger.predict([InferenceRequest(row, options) for row in rows])])
        )
    assert np.abs(scores[0] - scores[1]).max() < EIGHT_BITS
    assert scores[1].max() > 0.5, "somebody saw something"


@pytest.mark.parametrize("name", ON_TEXTS)
def test_texts_get_the_same_labels(models: Path, name: str) -> None:
    results = []
    for runtime in ("openvino", "onnx"):
        model = cast(TextModel, served(models, runtime, name))
        options = read_options(model.manifest.task, {})
        raw = model.predict([InferenceRequest(model.prepare(text), options) for text in TEXTS])
        results.append([cast(dict[str, Any], model.render(each, options)) for each in raw])
    for before, now in zip(*results, strict=True):
        assert now["label"] == before["label"]
        assert abs(now["score"] - before["score"]) < TOLERANCE


def test_results_from_a_card_in_half_precision_say_so(
    database: Database, database_url: str, tenant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The card is played by the processor. Would fail if f16 passed for f32 in results, metrics or what workers say."""
    models, registry = tmp_path / "models", CollectorRegistry()
    eye, _ = write_encoder(models), write_captioner(models)
    set_defaults(models, classify="eye", caption="teller")
    for precision in ("f32", "f16"):
        write_export(eye / "graph.pb", ["grid", "pooled", "probabilities"], precision)  # type: ignore[arg-type]
    machine(monkeypatch, True, ("onnx",))
    with photo_server() as photos:
        settings = Settings(
            database_url=database_url, data_dir=tmp_path / "data", models_dir=models, precision="f16",
            allow_hosts=(photos.split("/")[2],),
        )  # fmt: skip
        context = open_worker(settings, Metrics(registry))
        try:
            tasks = ("classify", "caption")
            job = make_job(context.database, tenant, refs=[f"{photos}/cat.jpg"], chunk=1, tasks=tasks)
            while run_chunk(context, "image"):
                pass
            [row] = stream_results(context.database, job)
            with database.read() as session:
                assert running_variants(session) == {"eye@1.0.0": {"f16-cuda"}}
        finally:
            close_worker(context)
    assert row["error"] is None
    assert {row["outputs"][task]["variant"] for task in tasks} == {"f16-cuda"}, "a caption is of what its encoder saw"
    labels = {"model": "eye@1.0.0", "variant": "f16-cuda"}
    assert registry.get_sample_value("tagline_infer_seconds_count", labels)
