"""The plug-in of the docs: an ONNX captioner in a package of its own, found by its entry point and served."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry

from core.artefacts.manifest import MANIFEST, SCHEMA_VERSION, describe_files
from core.errors import ArtefactError
from core.images.decode import ImageSpec, decode_image
from core.settings import Settings, load_settings
from core.tasks import CaptionOptions
from db.engine import Database
from db.results import stream_results
from tests.support.jobs import make_job
from tests.support.onnx_files import OnnxGraph
from tests.support.photos import SAMPLES, photo_server
from tests.support.worker import run_chunk
from worker.inference.in_flight import InFlight
from worker.inference.lanes import open_lanes
from worker.metrics import Metrics
from worker.models.load import load_model
from worker.models.model import InferenceRequest
from worker.process.lifetime import close_worker, open_worker

ROOT = Path(__file__).resolve().parents[2]
WORDS = ("<start>", "<end>", "a", "Ġred", "Ġdog", "Ġruns", "Ġfast", "Ġhome", ".")
START, END, SIDE, DIM = 0, 1, 32, 8
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
STATES = ("float32", ("n", 1, DIM))
KEPT = ("float32", ("n", 1, "length", DIM))
NAMES = ("cat", "coffee", "rocket", "flower")


def weights() -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(11)
    shapes = {"see": (3, DIM), "embed": (len(WORDS), DIM), "speak": (DIM, len(WORDS))}
    return {name: rng.normal(size=shape).astype(np.float32) * 1.5 for name, shape in shapes.items()}


def write_encoder(path: Path) -> None:
    graph = OnnxGraph({"pixel_values": ("float32", ("n", 3, SIDE, SIDE))}, {"last_hidden_state": STATES})
    graph.constant("see", weights()["see"])
    mean = graph.node("ReduceMean", ["pixel_values"], "mean", axes=[2, 3], keepdims=0)
    seen = graph.node("MatMul", [mean, "see"], "seen")
    graph.node("Unsqueeze", [seen, graph.constant("one", np.array([1], np.int64))], "last_hidden_state")
    graph.write(path)


def write_decoder(path: Path, *, first: bool) -> None:
    """Each token's key is its vector; the next token depends on the photo and on the mean of all keys so far."""
    ids = {"input_ids": ("int64", ("n", 1))}
    kept = {f"0.{whose}.{part}": KEPT for whose in ("decoder", "encoder") for part in ("key", "value")}
    inputs = {"encoder_hidden_states": STATES} if first else {f"past_key_values.{k}": v for k, v in kept.items()}
    present = {f"present.{name}": port for name, port in kept.items() if first or "decoder" in name}
    graph = OnnxGraph({**ids, **inputs}, {"logits": ("float32", ("n", 1, len(WORDS))), **present})
    graph.constant("embed", weights()["embed"])
    graph.constant("speak", weights()["speak"])
    one = graph.constant("one", np.array([1], np.int64))
    graph.node("Gather", ["embed", "input_ids"], "word")
    graph.node("Unsqueeze", ["word", one], "own")
    for part in ("key", "value"):
        if first:
            graph.node("Identity", ["own"], f"present.0.decoder.{part}")
            graph.node("Unsqueeze", ["encoder_hidden_states", one], f"present.0.encoder.{part}")
        else:
            past = f"past_key_values.0.decoder.{part}"
            graph.node("Concat", [past, "own"], f"present.0.decoder.{part}", axis=2)
    photo = ("present" if first else "past_key_values") + ".0.encoder."
    graph.node("ReduceMean", ["present.0.decoder.key"], "heard", axes=[2], keepdims=0)
    graph.node("ReduceMean", [photo + "key"], "key", axes=[2], keepdims=0)
    graph.node("ReduceMean", [photo + "value"], "value", axes=[2], keepdims=0)
    graph.node("Mul", ["key", graph.constant("half", np.array(0.5, np.float32))], "half_key")
    graph.node("Mul", ["value", "half"], "half_value")
    graph.node("Add", ["half_key", "half_value"], "seen")
    graph.node("Add", ["seen", "heard"], "both")
    graph.node("Tanh", ["both"], "state")
    graph.node("MatMul", ["state", "speak"], "logits")
    graph.write(path)


def by_hand(pixels: NDArray[np.uint8], beams: int, most: int) -> tuple[str, float]:
    """The best sentence, each prefix scored anew and for one photo alone: slow, and without any cache."""
    w = weights()
    seen = ((pixels.astype(np.float32) / 255 - MEAN) / STD).mean(axis=(0, 1)) @ w["see"]

    def scores(tokens: tuple[int, ...]) -> NDArray[np.float64]:
        logits = np.tanh(seen + w["embed"][[START, *tokens]].mean(axis=0)) @ w["speak"]
        found: NDArray[np.float64] = logits - np.log(np.exp(logits).sum())
        return found

    open_, done = [(0.0, ())], []
    for position in range(most + 1):
        grown = [(s + scores(t)[w_], (*t, w_)) for s, t in open_ for w_ in range(len(WORDS))]
        grown = [one for one in grown if position < most or one[1][-1] == END]
        grown.sort(key=lambda one: -one[0])
        done += [(s / len(t), t[:-1]) for s, t in grown[:beams] if t[-1] == END]
        open_ = [one for one in grown if one[1][-1] != END][:beams]
    score, tokens = max(done)
    return "".join(WORDS[token] for token in tokens).replace("Ġ", " ").strip(), float(np.exp(score))


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The artefact, and the example installed as a package that offers its kind."""
    site = tmp_path / "site"
    info = site / "onnx_captioner-1.0.dist-info"
    info.mkdir(parents=True)
    shutil.copy(ROOT / "docs" / "examples" / "onnx_captioner.py", site)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: onnx-captioner\nVersion: 1.0\n")
    points = "onnx-image-to-text = onnx_captioner:OnnxCaptioner\nabsent = nowhere_at_all:Class"
    (info / "entry_points.txt").write_text(f"[tagline.models]\n{points}\n")
    monkeypatch.syspath_prepend(str(site))
    folder = tmp_path / "models" / "big-teller"
    folder.mkdir(parents=True)
    write_encoder(folder / "encoder_model.onnx")
    write_decoder(folder / "decoder_model.onnx", first=True)
    write_decoder(folder / "decoder_with_past_model.onnx", first=False)
    (folder / "vocab.json").write_text(json.dumps({word: at for at, word in enumerate(WORDS)}))
    write_manifest(folder)
    (folder.parent / "defaults.json").write_text('{"caption": "big-teller"}')
    return folder.parent


def write_manifest(folder: Path, **fields: Any) -> None:
    manifest = {
        "schema_version": SCHEMA_VERSION, "name": "big-teller", "version": "1.0.0", "task": "caption",
        "kind": "onnx-image-to-text", "summary": "A captioner from elsewhere.", "graph": "encoder_model.onnx",
        "preprocessing": {"medium": "image", "size": [SIDE, SIDE]},
        "inputs": {"pixel_values": {"dtype": "float32", "shape": [None, 3, SIDE, SIDE]}},
        "outputs": {"last_hidden_state": {"dtype": "float32", "shape": [None, 1, DIM]}},
        "settings": {"layers": 1, "mean": MEAN, "std": STD, "start": START, "end": END},
        "metrics": [], "licence": "CC0-1.0", "source": "made by a test",
        **describe_files(folder, sorted(path.name for path in folder.iterdir() if path.name != MANIFEST)),
        **fields,
    }  # fmt: skip
    (folder / MANIFEST).write_text(json.dumps(manifest))


def pixels(name: str) -> NDArray[np.uint8]:
    return decode_image((SAMPLES / f"{name}.jpg").read_bytes(), ImageSpec(size=(SIDE, SIDE)), 10**8).pixels


def test_the_example_decodes_in_batches_what_one_finds_by_hand(models: Path) -> None:
    model = load_model(models / "big-teller", load_settings(runtime="openvino"))
    options = (
        CaptionOptions(beam_size=3, max_words=6),
        CaptionOptions(beam_size=1, max_words=4),
        CaptionOptions(candidates=2, max_words=6),
    )
    requests = [InferenceRequest(pixels(name), chosen) for name in NAMES for chosen in options]
    told = [model.render(raw, request.options) for raw, request in zip(model.predict(requests), requests, strict=True)]
    for request, result in zip(requests, told, strict=True):
        text, score = by_hand(request.input, request.options.beam_size, request.options.max_words)
        assert result["text"] == text
        assert result["score"] == pytest.approx(score, abs=1e-5)
        assert len(result.get("candidates", [])) == (2 if request.options.candidates == 2 else 0)
    assert len({result["text"] for result in told}) > 2
    assert all(
        told[at] == model.render(model.predict([request])[0], request.options) for at, request in enumerate(requests)
    )


@pytest.fixture
def photos() -> Iterator[str]:
    with photo_server() as url:
        yield url


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_job_is_served_by_it_with_nothing_else_changed(
    models: Path, photos: str, database_url: str, database: Database, tenant: str, tmp_path: Path
) -> None:
    settings = Settings(
        database_url=database_url, data_dir=tmp_path / "data", models_dir=models, allow_hosts=(photos.split("/")[2],)
    )
    context = open_worker(settings, Metrics(CollectorRegistry()))
    refs = [f"{photos}/{NAMES[n % 4]}.jpg?n={n}" for n in range(12)]
    job = make_job(database, tenant, refs=refs, chunk=8, tasks=("caption",), options={"caption": {"beam_size": 2}})
    while run_chunk(context, "image"):
        pass
    close_worker(context)
    rows = list(stream_results(database, job))
    for at, row in enumerate(rows):
        caption = row["outputs"]["caption"]
        assert caption["model"] == "big-teller@1.0.0"
        assert (caption["text"], caption["score"]) == pytest.approx(by_hand(pixels(NAMES[at % 4]), 2, 20), abs=1e-5)


def test_a_kind_that_nobody_offers_or_that_cannot_be_imported(models: Path) -> None:
    for kind, code in (("oracle", "kind_unknown"), ("absent", "kind_broken")):
        write_manifest(models / "big-teller", kind=kind)
        with pytest.raises(ArtefactError) as caught:
            load_model(models / "big-teller", load_settings(runtime="openvino"))
        assert caught.value.code == code
        assert "nowhere_at_all" in str(caught.value) or "onnx-image-to-text" in str(caught.value)


def test_a_kind_that_runs_itself_needs_no_graph_that_we_can_read(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnx_captioner  # type: ignore[import-not-found]

    class Parrot:
        needs_runtime, streams = False, 1
        encoder, output = "its own business", "too"

        def __init__(self, folder: Path, manifest: Any, runtime: None, encoders: Any) -> None:
            self.manifest, self._text = manifest, (folder / manifest.graph).read_text()

        def predict(self, requests: Any) -> list[str]:
            return [self._text] * len(requests)

        def encode(self, text: str) -> list[int]:
            raise AssertionError("a method of this name does not make it an encoder that others read")

        def render(self, raw: str, options: Any) -> dict[str, Any]:
            return {"text": raw, "score": 1.0, "model": self.manifest.id}

    monkeypatch.setattr(onnx_captioner, "OnnxCaptioner", Parrot)
    (models / "big-teller" / "weights.txt").write_text("polly")
    write_manifest(models / "big-teller", graph="weights.txt")
    model = load_model(models / "big-teller", load_settings())
    assert model.predict([InferenceRequest(pixels("cat"), CaptionOptions())]) == ["polly"]
    served = open_lanes(model, load_settings(), Metrics(CollectorRegistry()), InFlight(), None)
    assert served.encoder is None
    assert served.model is not None
    assert served.model.lane is not None
    assert served.model.lane.submit(InferenceRequest(pixels("cat"), CaptionOptions()), 0).result(180) == "polly"
    served.model.lane.close()
