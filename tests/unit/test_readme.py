"""The README's numbers are the manifests', and its table names every task."""

from __future__ import annotations

import json
import re
from pathlib import Path

from core.artefacts.manifest import load_manifest
from core.heads.tags import TagSettings
from core.tasks import TASKS

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| `(\w+)` \| (photo|text) \| .* \| (.*) \|$", re.M)
NUMBER = re.compile(r"(?<![\d-])\.\d{3}|\d+\.\d %")  # a share as .123 or as 12.3 %


def folder_of(task: str) -> Path:
    defaults = json.loads((ROOT / "models" / "defaults.json").read_text(encoding="utf-8"))
    return ROOT / "models" / str(defaults[task]).partition("@")[0]


def test_every_task_has_a_row_with_numbers_of_its_default_model() -> None:
    rows = {task: (medium, claim) for task, medium, claim in ROW.findall((ROOT / "README.md").read_text("utf-8"))}
    assert list(rows) == list(TASKS)
    for task, (medium, claim) in rows.items():
        assert medium == {"image": "photo", "text": "text"}[TASKS[task].medium]
        metrics = [metric.value for metric in load_manifest(folder_of(task), verify=False).metrics]
        known = {f"{value:.3f}".lstrip("0") for value in metrics} | {f"{100 * value:.1f} %" for value in metrics}
        found = NUMBER.findall(claim)
        assert found, task
        assert set(found) <= known, (task, set(found) - known)


def test_the_vocabularies_have_as_many_labels_as_it_says() -> None:
    folder = folder_of("tag")
    named = TagSettings.model_validate(load_manifest(folder, verify=False).settings).vocabularies
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, files in named.items():
        count = len((folder / files.labels).read_text(encoding="utf-8").splitlines())
        assert re.search(rf'"{name}"`\s\({count:,}\s', text), f"{name} has {count:,} labels"
