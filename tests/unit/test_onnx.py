"""Exports of graphs for ONNX Runtime: which is used, which is refused, and what is asked of a card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("tf2onnx")
pytest.importorskip("onnxruntime")

import onnxruntime
import tensorflow as tf

from core.artefacts.manifest import load_manifest
from core.artefacts.onnx_export import OnnxExport, OnnxPart, export_folder, parts_for, read_export
from core.errors import ArtefactError
from core.settings import Settings
from tests.support.artefacts import write_captioner, write_encoder
from tests.support.cards import machine
from training import to_onnx
from training.common.export import write_parts
from training.common.onnx.onnx_write import write_export
from training.onnx_answers import Answers, differences
from worker.models.load import load_model, variant_for
from worker.runtimes import choose, onnx

OUTPUTS = ["grid", "pooled", "probabilities"]
PHOTOS = np.random.default_rng(3).integers(0, 256, (5, 16, 16, 3)).astype(np.uint8)


@pytest.fixture
def eye(tmp_path: Path) -> Path:
    """An encoder whose graph is exported in both precisions."""
    folder = write_encoder(tmp_path)
    write_export(folder / "graph.pb", OUTPUTS, "f32")
    write_export(folder / "graph.pb", OUTPUTS, "f16")
    return folder


def test_an_export_gives_what_its_graph_gives(eye: Path) -> None:
    graph = eye / "graph.pb"
    expected = choose.load_runtime(graph, "tensorflow").run({"image": PHOTOS}, OUTPUTS)
    for compute, tolerance in (("f32", 1e-5), ("f16", 5e-3)):
        runtime = choose.load_runtime(graph, "onnx", compute)
        assert (runtime.name, runtime.device) == ("onnx", "cpu")
        found = runtime.run({"image": PHOTOS}, OUTPUTS)
        for name in OUTPUTS:
            assert found[name].dtype == np.float32
            assert np.abs(found[name] - expected[name]).max() < tolerance, (compute, name)
    assert any((found[name] != expected[name]).any() for name in OUTPUTS), "halves are not singles"


def test_operations_that_the_converter_gets_wrong_or_has_not(tmp_path: Path) -> None:
    """The error function of Keras's GELU; and a Reshape behind another, which tf2onnx joins to something else."""

    def call(given: Any) -> Any:
        x = given["x"]
        shape = tf.shape(x)
        apart = tf.reshape(x, tf.stack([shape[0], shape[1], 1, 2, -1]))
        return {"gelu": x * 0.5 * tf.math.erfc(-x * np.float32(0.7)), "moved": tf.transpose(apart, (0, 1, 3, 2, 4))}

    graph = tmp_path / "graph.pb"
    write_parts(graph, call, {"x": ("float32", (None, None, 8))})
    write_export(graph, ["gelu", "moved"])
    x = np.random.default_rng(0).normal(size=(2, 3, 8)).astype(np.float32)
    expected = choose.load_runtime(graph, "tensorflow").run({"x": x}, ("gelu", "moved"))
    found = choose.load_runtime(graph, "onnx").run({"x": x}, ("gelu", "moved"))
    assert np.abs(found["gelu"] - expected["gelu"]).max() < 1e-6
    assert found["moved"].shape == expected["moved"].shape == (2, 3, 2, 1, 4)
    assert (found["moved"] == expected["moved"]).all()


@pytest.mark.parametrize("fault", ["none", "another graph", "damaged", "half gone", "no list", "other precision"])
def test_an_export_that_is_not_of_this_graph_is_refused_with_the_command(eye: Path, fault: str) -> None:
    """Would fail if a graph that was trained again were served by the export of the one before."""
    graph, folder = eye / "graph.pb", export_folder(eye / "graph.pb", "f32")
    if fault == "none":
        (folder / "export.json").unlink()
    elif fault == "another graph":
        graph.write_bytes((write_encoder(eye.parent, "2.0.0", seed=5) / "graph.pb").read_bytes())
    elif fault == "damaged":
        (folder / "part-0.onnx").write_bytes((folder / "part-0.onnx").read_bytes() + b"\0")
    elif fault == "half gone":
        (folder / "part-0.onnx").unlink()
    elif fault == "no list":
        (folder / "export.json").write_text('{"schema_version": 2}')
    else:
        (folder / "export.json").write_bytes((export_folder(graph, "f16") / "export.json").read_bytes())
    with pytest.raises(ArtefactError, match=r"python -m training\.to_onnx") as caught:
        choose.load_runtime(graph, "onnx")
    assert caught.value.code == ("export_missing" if fault == "none" else "export_outdated")


def test_a_file_that_is_no_graph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "graph.onnx").write_bytes(b"not a graph")
    with pytest.raises(ArtefactError, match="graph_unreadable"):
        choose.load_runtime(tmp_path / "graph.onnx", "onnx")


def test_a_card_runs_what_is_exported_and_the_rest_runs_as_before(
    monkeypatch: pytest.MonkeyPatch, eye: Path, caplog: pytest.LogCaptureFixture
) -> None:
    graph = eye / "graph.pb"
    machine(monkeypatch, True, ("onnx",))
    assert choose.runtime_of(graph) == "onnx"
    assert choose.runtime_of(eye / "graph.onnx") == choose.runtime_of(eye / "graph.xml") == "openvino"
    assert choose.runtime_of(write_captioner(eye.parent) / "graph.pb") == "openvino"
    machine(monkeypatch, True, ("onnx", "tensorflow"))
    assert choose.runtime_of(graph) == "onnx"
    machine(monkeypatch, False, ("onnx", "tensorflow"))
    assert choose.runtime_of(graph) == "openvino"
    machine(monkeypatch, True, ("onnx",))
    (export_folder(graph, "f32") / "part-0.onnx").unlink()
    assert choose.runtime_of(graph) == "openvino", "a worker must not stop for want of a faster graph"
    assert "an export is not used" in caplog.text


def test_an_export_is_read_once_as_long_as_it_stays_as_it_is(
    monkeypatch: pytest.MonkeyPatch, eye: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Would fail if all of its files were read, and the same were said of it, each time that somebody asks."""
    graph, asked = eye / "graph.pb", list[Path]()

    def read(graph: Path, precision: str) -> OnnxExport:
        asked.append(graph)
        return read_export(graph, precision)

    monkeypatch.setattr(choose, "read_export", read)
    machine(monkeypatch, True, ("onnx",))
    for _ in range(3):
        assert choose.runtime_of(graph) == "onnx"
    assert len(asked) == 1
    part = export_folder(graph, "f32") / "part-0.onnx"
    whole = part.read_bytes()
    part.write_bytes(whole + b"\0")
    for _ in range(3):
        assert choose.runtime_of(graph) == "openvino"
    assert len(asked) == 2
    assert caplog.text.count("an export is not used") == 1
    part.write_bytes(whole)
    assert choose.runtime_of(graph) == "onnx", "it was made again"
    graph.write_bytes(graph.read_bytes() + b"\0")
    assert choose.runtime_of(graph) == "openvino", "it is of another graph now"


@pytest.mark.parametrize(
    ("wanted", "card", "precision", "exported", "name"),
    [
        ("auto", True, "f16", True, "f16-cuda"),
        ("onnx", True, "f16", True, "f16-cuda"),
        ("onnx", True, "f16", False, "f32"),
        # Nobody has measured on a card what it costs: it runs where it is asked for, and there alone.
        ("onnx", True, "auto", True, "f32"),
        ("onnx", False, "f16", True, "f32"),
        ("auto", False, "f16", True, "f32"),
        ("openvino", True, "f16", True, "f32"),
        ("tensorflow", True, "f16", True, "f32"),
    ],
)
def test_half_precision_is_for_cards_and_for_those_who_ask(
    monkeypatch: pytest.MonkeyPatch, eye: Path, wanted: str, card: bool, precision: str, exported: bool, name: str
) -> None:
    machine(monkeypatch, card, ("onnx",) if card else ())
    if not exported:
        (export_folder(eye / "graph.pb", "f16") / "export.json").unlink()
    settings = Settings(runtime=wanted, precision=precision)
    chosen = variant_for(eye, load_manifest(eye), settings)
    assert (chosen.name, chosen.graph) == (name, "graph.pb")
    assert chosen.compute == ("f16" if name == "f16-cuda" else "f32")


def test_single_precision_is_single_precision_on_a_card(monkeypatch: pytest.MonkeyPatch, eye: Path) -> None:
    """Both would take 10 bits of mantissa for it on cards that have them, and results would still say f32."""
    choose.load_runtime(eye / "graph.pb", "tensorflow")
    assert not tf.config.experimental.tensor_float_32_execution_enabled()
    asked: list[Any] = []
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [onnx.CUDA, onnx.CPU])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    plain = onnxruntime.InferenceSession

    def session(model: str, options: Any, providers: list[Any], **more: Any) -> Any:
        asked.append((providers, more))
        return plain(model, options, providers=[onnx.CPU])

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    choose.load_runtime(eye / "graph.pb", "onnx").run({"image": PHOTOS}, ("pooled",))
    providers, more = asked[-1]
    assert [name for name, _ in providers] == [onnx.CUDA, onnx.CPU]
    assert dict(providers)[onnx.CUDA]["use_tf32"] == "0"
    assert more == {"enable_fallback": 0}, "what fails on a card must not go on without a word at a tenth of its speed"


@pytest.mark.parametrize(("visible", "device", "streams"), [(True, "cuda", 1), (False, "cpu", 2)])
def test_a_runtime_says_what_it_runs_on(
    monkeypatch: pytest.MonkeyPatch, eye: Path, visible: bool, device: str, streams: int
) -> None:
    monkeypatch.setattr(onnx, "gpu_visible", lambda: visible)
    runtime = choose.load_runtime(eye / "graph.pb", "onnx")
    assert (runtime.device, runtime.streams) == (device, streams)
    assert onnx.OnnxRuntime(eye / "graph.pb", providers=[onnx.CPU]).device == "cpu", "it was not asked to"


A, B, ABC, D = (
    OnnxPart(file=f"{name}.onnx", sha256="0" * 64, inputs=tuple(name), outputs=outputs)
    for name, outputs in (("a", ("x",)), ("b", ("y",)), ("abc", ("w", "x", "y")), ("d", ("z",)))
)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (("x",), [(A, ["x"])]),
        (("w", "x"), [(ABC, ["w", "x"])]),  # on the way to w there is x: it is not computed twice
        (("x", "y"), [(A, ["x"]), (B, ["y"])]),  # what gives both would want c besides
        (("x", "z"), [(A, ["x"]), (D, ["z"])]),
        (("w", "z"), [(D, ["z"]), (ABC, ["w"])]),
    ],
)
def test_parts_take_what_is_needed_and_compute_nothing_twice(wanted: tuple[str, ...], expected: Any) -> None:
    assert parts_for([A, B, ABC, D], wanted) == expected
    with pytest.raises(KeyError):
        parts_for([A, B, ABC, D], (*wanted, "nothing"))


def test_what_needs_less_is_in_what_needs_more(tmp_path: Path) -> None:
    """As a captioner's cache entry is on the way to its scores: one run gives both."""

    def call(given: Any) -> Any:
        return {"entry": given["token"] * 2, "scores": given["token"] * 2 + given["memory"]}

    graph = tmp_path / "graph.pb"
    write_parts(graph, call, {"token": ("float32", (None, 2)), "memory": ("float32", (None, 2))})
    write_export(graph, ["entry", "scores"])
    parts = {part.inputs: part.outputs for part in read_export(graph, "f32").parts}
    assert parts == {("token",): ("entry",), ("memory", "token"): ("entry", "scores")}


def test_what_is_missing_is_said() -> None:
    assert onnxruntime.InferenceSession(onnx.IDENTITY, providers=[onnx.CPU]).get_inputs()[0].name == "x"
    if onnx.CUDA not in onnxruntime.get_available_providers():
        assert "for processors alone" in (onnx.cuda_missing() or "")
        assert not onnx.gpu_visible()


def test_models_say_through_an_export_what_they_say_through_their_graph(eye: Path) -> None:
    """Would fail if an export in parts lost an input, as the captioner's second part has four."""
    folder = write_captioner(eye.parent)
    assert to_onnx.export_all([folder, eye], ["f32", "f16"], sorted(to_onnx.SAMPLES.glob("*.jpg"))) == 0
    for name in ("onnx", "tensorflow"):
        assert load_model(folder, Settings(runtime=name, precision="f32")).manifest.id == "teller@1.0.0"


def test_an_export_that_says_something_else_is_removed(
    monkeypatch: pytest.MonkeyPatch, eye: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = np.array([[0.6, 0.4], [0.3, 0.7]])
    said = iter([Answers(("a", "b"), scores, (0.6, 0.7)), Answers(("b", "b"), scores, (0.6, 0.7))])
    monkeypatch.setattr(to_onnx, "answers", lambda *_: next(said))
    assert to_onnx.export_all([eye], ["f32"], []) == 1
    assert "'a' became 'b'" in capsys.readouterr().err
    assert not export_folder(eye / "graph.pb", "f32").exists()


@pytest.mark.parametrize(
    ("precision", "sure", "apart", "allowed"),
    [("f32", 0.1, 0.0, False), ("f16", 0.1, 0.0, True), ("f16", 0.6, 0.0, False), ("f16", 0.1, 0.03, False)],
)
def test_how_far_answers_may_differ(precision: str, sure: float, apart: float, allowed: bool) -> None:
    scores = np.array([[sure, 0.1]])
    before, now = Answers(("a",), scores, (sure,)), Answers(("b",), scores + apart, (sure,))
    assert (differences(before, now, precision) == []) == allowed
    assert differences(before, Answers(("a",), scores * np.nan, (sure,)), precision) != [], "not a number is not near"
