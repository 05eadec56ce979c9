"""The bench of a card: without one it changes nothing, and with one it writes under the card's name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import gpu, gpu_models, machine
from core.artefacts.manifest import Manifest, load_manifest
from core.settings import Settings
from tests.support.manifests import make

RESULTS = Path(machine.__file__).parent / "results"


def nothing(*_: Any) -> Any:
    raise AssertionError("no model needs to be loaded for this")


def test_without_a_card_it_says_so_in_a_line_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu, "cards", list)
    monkeypatch.setattr(gpu, "measure", nothing)
    before = {path: path.stat().st_mtime_ns for path in RESULTS.iterdir()}
    assert gpu.main([]) == 0
    assert capsys.readouterr().out.splitlines() == [gpu.NO_CARD]
    assert {path: path.stat().st_mtime_ns for path in RESULTS.iterdir()} == before


def test_a_card_on_which_nothing_runs_gets_no_figures(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Would fail if a processor's speed could be written down under a card's name."""
    monkeypatch.setattr(gpu, "cards", lambda: ["NVIDIA T4"])
    monkeypatch.setattr(gpu, "measure", lambda *_: {"encoder": {"device": "cpu"}})
    monkeypatch.setattr(gpu, "pipeline", nothing)
    monkeypatch.setattr(gpu, "RESULTS", tmp_path / "results")
    assert gpu.main([]) == 1
    assert "tagline doctor" in capsys.readouterr().out
    assert not (tmp_path / "results").exists()


def test_a_card_gets_a_file_of_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gpu, "cards", lambda: ["NVIDIA H100 80GB HBM3"])
    monkeypatch.setattr(gpu, "measure", lambda *_: {"encoder": {"device": "cuda", "floor_batch": 64}})
    monkeypatch.setattr(gpu, "pipeline", lambda bench, batch: {"floor_batch": batch})
    monkeypatch.setattr(gpu, "RESULTS", tmp_path)
    assert gpu.main(["--count", "7"]) == 0
    written = json.loads((tmp_path / "gpu-nvidia-h100-80gb-hbm3.json").read_text())
    assert written["cards"] == ["NVIDIA H100 80GB HBM3"]
    assert written["pipeline"]["floor_batch"] == 64, "the floor is the bare process in the batch that suits the card"
    assert written["settings"]["count"] == 7
    assert "tensorflow" in written["machine"]["packages"]


class Cards:
    """What a graph runs by."""

    name, device = "onnx", "cuda"


def measured(manifest: Manifest, fails_at: int, error: Exception) -> gpu_models.Measured:
    """A graph that fails in batches of that size."""

    def bare(batch: int) -> None:
        if batch == fails_at:
            raise error

    return gpu_models.Measured(manifest, "f32", Cards(), bare, bare)  # type: ignore[arg-type]


def test_a_batch_that_does_not_fit_ends_the_sizes_and_whatever_else_fails_is_raised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Would fail if a bug, or a graph that does not run at all, passed for a card that is too small."""
    manifest = load_manifest(make(tmp_path))
    short = RuntimeError("CUDA failure 2: out of memory\nat line 7")
    for error, said in ((short, "CUDA failure 2: out of memory"), (MemoryError(), "MemoryError")):
        assert set(measured(manifest, 4, error).bare((1, 2, 4, 8), 0.0)) == {1, 2}
        assert capsys.readouterr().out == f"batches of 4 do not fit: {said}\n"
    with pytest.raises(RuntimeError, match="out of memory"):
        measured(manifest, 1, short).bare((1, 2), 0.0)
    with pytest.raises(ValueError, match="a bug"):
        measured(manifest, 4, ValueError("a bug")).bare((1, 2, 4, 8), 0.0)


def test_encoder_and_decoder_are_measured_as_a_worker_calls_them_and_bare(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    pytest.importorskip("openvino")
    from tests.support.artefacts import set_defaults, write_captioner, write_encoder

    models = tmp_path / "models"
    write_encoder(models)
    write_captioner(models)
    set_defaults(models, classify="eye", caption="teller")
    settings = Settings(models_dir=models, runtime="openvino", batch_size=4)
    found = gpu.measure(settings, tmp_path, 0.01, (1, 2, 64), 1)
    assert [found[name]["model"] for name in ("encoder", "decoder")] == ["eye@1.0.0", "teller@1.0.0"]
    for figures in found.values():
        assert (figures["runtime"], figures["device"], figures["variant"]) == ("openvino", "cpu", "f32")
        assert figures["batch"] == 4
        assert set(figures["by_batch"]) == {1, 2, 64}
        assert figures["floor"] == max(figures["by_batch"].values()) == figures["by_batch"][figures["floor_batch"]]
        assert figures["ratio"] == pytest.approx(figures["a_second"] / figures["floor"])
