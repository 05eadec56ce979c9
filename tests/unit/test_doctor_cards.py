"""What `tagline doctor` says of a card: whether there is one, which runtime sees it, and what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli import doctor as command
from cli.main import main
from core.processor import Processor
from core.settings import Settings
from tests.support.cards import machine
from tests.support.manifests import make
from worker.models import on_card

PROCESSOR = Processor("A: B", frozenset())


def lines(folder: Path, **more: Any) -> list[list[str]]:
    return [line.split(maxsplit=1) for line in command.report(Settings(models_dir=folder), PROCESSOR, **more)]


def test_without_a_card_nothing_is_loaded_to_say_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def ask(settings: Settings) -> None:
        raise AssertionError("importing TensorFlow takes seconds, and there is nothing to ask it")

    monkeypatch.setattr(command, "cards", list)
    monkeypatch.setattr(command, "ask_runtimes", ask)
    make(tmp_path)
    done = CliRunner().invoke(main, ["doctor", "--models", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0
    said = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    assert ["card", "none is seen: models run on the processor"] in said
    assert ["toy@1.0.0", "f32"] in said


def test_a_card_is_named_with_what_sees_it_and_what_keeps_the_others_from_it(tmp_path: Path) -> None:
    make(tmp_path)
    told = {
        "missing": {"onnxruntime": None, "tensorflow": "not installed: pip install it"},
        "models": {"toy@1.0.0": {"runtime": "onnx", "variant": "f16-cuda"}},
    }
    said = lines(tmp_path, seen=["NVIDIA T4"], told=told)
    assert ["card", "NVIDIA T4"] in said
    assert ["onnxruntime", "sees it"] in said
    assert ["tensorflow", "not installed: pip install it"] in said
    assert ["toy@1.0.0", "f16-cuda by onnx (also there: f32)"] in said


def test_runtimes_that_cannot_be_asked_do_not_keep_the_rest_unsaid(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make(tmp_path)
    monkeypatch.setattr(command.sys, "executable", str(tmp_path / "no-python"))
    assert command.ask_runtimes(Settings(models_dir=tmp_path)) is None
    said = lines(tmp_path, seen=["NVIDIA T4"])
    assert any("could not be asked" in text for _, text in said)
    assert ["toy@1.0.0", "f32"] in said


def test_what_the_worker_says_is_what_it_takes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = make(tmp_path)
    export = folder / "graph-onnx-f32"
    export.mkdir()
    (export / "export.json").write_text("{}")
    machine(monkeypatch, True, ("tensorflow",))
    monkeypatch.setattr(on_card, "keeps_from_card", lambda: {"onnxruntime": "missing", "tensorflow": None})
    told = on_card.on_card(Settings(models_dir=tmp_path))
    assert told["models"] == {"toy@1.0.0": {"runtime": "tensorflow", "variant": "f32"}}


def test_the_question_is_answered_by_a_process_of_its_own(tmp_path: Path) -> None:
    """On a machine without a card each runtime says what keeps it from one; with one, at least one may see it."""
    make(tmp_path)
    told = command.ask_runtimes(Settings(models_dir=tmp_path))
    assert told is not None
    assert told["missing"].keys() == {"onnxruntime", "tensorflow"}
    assert told["models"].keys() == {"toy@1.0.0"}
