"""An artefact is taken whole or refused with a reason, and a catalogue finds the one that is meant."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from core.artefacts.catalogue import Catalogue
from core.artefacts.manifest import load_manifest, read_labels, split_wanted
from core.errors import ArtefactError
from core.settings import MODELS_DIR, load_settings
from tests.support.manifests import make
from worker.models import load
from worker.models.load import load_model
from worker.models.warm_up import warm_up
from worker.runtimes.checked import CheckedRuntime


def refusal(folder: Path) -> str:
    with pytest.raises(ArtefactError) as caught:
        load_manifest(folder)
    return caught.value.code


def test_whole_artefact(tmp_path: Path) -> None:
    folder = make(tmp_path)
    manifest = load_manifest(folder)
    assert (manifest.id, manifest.medium, manifest.preprocessing.size) == ("toy@1.0.0", "image", (8, 8))
    assert [label.name for label in read_labels(folder, manifest)] == ["ant", "bee", "cat"]


def test_damage_is_noticed(tmp_path: Path) -> None:
    folder = make(tmp_path)
    (folder / "graph.pb").write_bytes(b"not A graph")
    assert refusal(folder) == "file_hash"
    (folder / "graph.pb").write_bytes(b"longer than it was")
    with pytest.raises(ArtefactError, match="file_size"):
        load_manifest(folder, verify=False)
    (folder / "graph.pb").unlink()
    assert refusal(folder) == "file_missing"
    (folder / "manifest.json").unlink()
    assert refusal(folder) == "manifest_missing"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '"x"', "[" * 100_000, "\udc80"])
def test_manifest_that_is_no_manifest(tmp_path: Path, text: str) -> None:
    folder = make(tmp_path)
    (folder / "manifest.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert refusal(folder) in ("manifest_invalid", "manifest_schema")


@pytest.mark.parametrize(
    "fields",
    [
        {"version": "one"},
        {"name": "../up"},
        {"graph": "../graph.pb"},
        {"labels": "elsewhere.csv"},
        {"encoders": {"image": "no-version"}},
        {"encoders": {"sound": "ears@1.0.0"}},
        {"files": {"../../etc/passwd": "0" * 64}},
        {"files": {"graph.pb": "short"}},
        {"preprocessing": {"medium": "image", "size": [8, 8], "fit": "stretch"}},
        {"surprise": 1},
        {"bytes": -1},
        {"outputs": {}},
    ],
)
def test_manifest_with_a_wrong_field(tmp_path: Path, fields: dict[str, Any]) -> None:
    assert refusal(make(tmp_path, **fields)) == "manifest_invalid"


def test_manifest_of_another_schema(tmp_path: Path) -> None:
    assert refusal(make(tmp_path, schema_version=2)) == "manifest_schema"


def test_labels_out_of_order(tmp_path: Path) -> None:
    folder = make(tmp_path)
    (folder / "labels.csv").write_text("index,wnid,label\n1,n1,bee\n0,n0,ant\n")
    manifest = load_manifest(make(tmp_path, "other"))
    with pytest.raises(ArtefactError, match="labels_invalid"):
        read_labels(folder, manifest)


def test_an_artefact_may_do_without_labels_and_read_another(tmp_path: Path) -> None:
    folder = make(tmp_path, labels=None, encoders={"image": "eye@1.0.0"}, settings={"words": 20})
    manifest = load_manifest(folder)
    assert read_labels(folder, manifest) == ()
    assert (manifest.encoders, manifest.settings) == ({"image": "eye@1.0.0"}, {"words": 20})


def test_catalogue_lists_good_and_broken(tmp_path: Path) -> None:
    make(tmp_path, "toy", "1.0.0")
    make(tmp_path, "toy", "1.10.0", folder="toy@1.10.0")
    make(tmp_path, "toy", "1.9.0", folder="toy@1.9.0")
    (make(tmp_path, "broken") / "labels.csv").unlink()
    (tmp_path / "notes").mkdir()
    (tmp_path / "defaults.json").write_text('{"classify": "toy"}')
    entries = Catalogue(tmp_path).entries()
    ids = [entry.manifest.id if entry.manifest else entry.error.code if entry.error else "?" for entry in entries]
    assert ids == ["toy@1.10.0", "toy@1.9.0", "toy@1.0.0", "file_missing"]


def test_resolve(tmp_path: Path) -> None:
    make(tmp_path, "toy", "1.0.0")
    make(tmp_path, "toy", "2.0.0", folder="newer")
    make(tmp_path, "tags", task="tag")
    (make(tmp_path, "broken") / "labels.csv").unlink()
    (tmp_path / "defaults.json").write_text('{"classify": "toy@1.0.0"}')
    catalogue = Catalogue(tmp_path)

    def found(task: str, wanted: str | None = None) -> str:
        manifest = catalogue.resolve(task, wanted).manifest
        assert manifest is not None
        return manifest.id

    def refused(task: str, wanted: str | None = None) -> str:
        with pytest.raises(ArtefactError) as caught:
            catalogue.resolve(task, wanted)
        return caught.value.code

    assert found("classify") == "toy@1.0.0"
    assert found("classify", "toy") == "toy@2.0.0"
    assert found("classify", "toy@2.0.0") == "toy@2.0.0"
    assert refused("classify", "toy@3.0.0") == "model_unknown"
    assert refused("classify", "nothing") == "model_unknown"
    assert refused("classify", "../toy") == "model_unknown"
    assert refused("classify", "tags") == "model_wrong_task"
    assert refused("classify", "broken") == "file_missing"
    assert refused("tag") == "model_default_missing"


def test_catalogue_sees_what_is_installed_later(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "models")
    assert catalogue.entries() == []
    make(tmp_path / "models")
    assert len(catalogue.entries()) == 1
    (tmp_path / "models" / "defaults.json").write_text("[]")
    with pytest.raises(ArtefactError, match="defaults_invalid"):
        catalogue.defaults()


def test_wanted() -> None:
    assert split_wanted("a-b") == ("a-b", None)
    assert split_wanted("a@1.2.3") == ("a", "1.2.3")
    for text in ("", "@1.2.3", "a@", "a@1", "A", "a b", "a@1.2.3@4"):
        with pytest.raises(ArtefactError, match="model_unknown"):
            split_wanted(text)


def test_shipped_models_are_whole_and_every_default_is_there() -> None:
    catalogue = Catalogue(MODELS_DIR)
    assert all(entry.error is None for entry in catalogue.entries())
    for task in catalogue.defaults():
        manifest = catalogue.resolve(task).manifest
        assert manifest is not None
        assert manifest.kind in load.KINDS


@pytest.mark.parametrize("runtime", ["openvino", "tensorflow"])
def test_rubbish_graph_is_refused(tmp_path: Path, runtime: str) -> None:
    with pytest.raises(ArtefactError, match="graph_unreadable"):
        load_model(make(tmp_path), load_settings(runtime=runtime))


def test_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="kind_unknown"):
        load_model(make(tmp_path, kind="oracle"), load_settings())


class FakeRuntime:
    """A runtime that answers with what it was given."""

    name, device, streams = "fake", "cpu", 1

    def __init__(self, answer: NDArray[Any] | Exception, fixed: bool = False) -> None:
        self._answer, self._fixed = answer, fixed

    def run(self, feeds: Mapping[str, NDArray[Any]], outputs: Any) -> dict[str, NDArray[Any]]:
        if isinstance(self._answer, Exception):
            raise self._answer
        (batch,) = feeds.values()
        return {name: self._answer if self._fixed else np.stack([self._answer] * len(batch)) for name in outputs}


GOOD = np.array([0.1, 0.2, 0.7], np.float32)


@pytest.mark.parametrize(
    ("runtime", "complaint"),
    [
        (FakeRuntime(np.array([0.1, np.nan, 0.7], np.float32)), "not finite"),
        (FakeRuntime(GOOD[:2]), "the manifest says"),
        (FakeRuntime(GOOD.astype(np.float64)), "the manifest says"),
        (FakeRuntime(GOOD[None], fixed=True), "fed another number"),
        (FakeRuntime(RuntimeError("out of memory")), "fails on an example: out of memory"),
    ],
)
def test_model_that_breaks_its_promise_is_refused(tmp_path: Path, runtime: FakeRuntime, complaint: str) -> None:
    from worker.models.image_classifier import ImageClassifier

    folder = make(tmp_path)
    manifest = load_manifest(folder)
    with pytest.raises(ArtefactError, match=complaint) as caught:
        warm_up(ImageClassifier(folder, manifest, CheckedRuntime(runtime, manifest), {}), {})
    assert caught.value.code == "warm_up_failed"
    warm_up(ImageClassifier(folder, manifest, CheckedRuntime(FakeRuntime(GOOD), manifest), {}), {})


def test_labels_must_match_the_scores(tmp_path: Path) -> None:
    from worker.models.image_classifier import ImageClassifier

    outputs = {"probabilities": {"dtype": "float32", "shape": [None, 4]}}
    folder = make(tmp_path, outputs=outputs)
    with pytest.raises(ArtefactError, match="labels_mismatch"):
        ImageClassifier(folder, load_manifest(folder), FakeRuntime(GOOD), {})
