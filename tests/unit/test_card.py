"""A card that is written again has the new text and the old numbers, and its artefact still fits its hashes."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.artefacts.manifest import Metric, load_manifest
from training import card
from training.common import model_card
from training.common.package import write_manifest

IMAGE = {"medium": "image", "size": [8, 8]}
TENSOR = {"x": {"dtype": "float32", "shape": [None, 2]}}
METRIC = Metric(name="accuracy", value=0.9, source="measured: a lot", low=0.88, high=0.92)


def test_a_card_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "graph.pb").write_bytes(b"graph")
    model_card.write_card(folder, "toy", [METRIC])
    fields = {
        "name": "toy", "version": "1.0.0", "task": "classify", "kind": "toy", "summary": "A toy.", "graph": "graph.pb",
        "preprocessing": IMAGE, "inputs": TENSOR, "outputs": TENSOR, "licence": "CC0-1.0", "source": "a test",
        "metrics": [METRIC.model_dump()],
    }  # fmt: skip
    before = write_manifest(folder, fields, ["graph.pb", card.CARD])
    (tmp_path / "task" / "cards").mkdir(parents=True)
    (tmp_path / "task" / "cards" / "toy.md").write_text("# A better text\n\n{metrics}\n")
    monkeypatch.setattr(model_card, "CARDS", tmp_path)
    card.rewrite(folder)
    after = load_manifest(folder)
    text = (folder / card.CARD).read_text()
    assert text.startswith("# A better text")
    assert "| accuracy | 0.9000 | 0.8800 to 0.9200 | measured: a lot |" in text
    assert after.metrics == before.metrics
    assert after.files["graph.pb"] == before.files["graph.pb"]
    assert after.files[card.CARD] != before.files[card.CARD]
