"""Which variant of an artefact a processor gets, and what a manifest has to say of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.doctor import report
from core.artefacts.catalogue import Catalogue
from core.artefacts.manifest import Metric, Variant, check_files, load_manifest
from core.artefacts.variants import choose_variant, joint_name
from core.errors import ArtefactError
from core.processor import Processor, read_processor
from core.settings import MODELS_DIR, Settings
from tests.support.cards import machine
from tests.support.manifests import make
from tests.support.variants import EIGHT_BITS, add_variants
from worker.runtimes.choose import runtime_of

SAPPHIRE = frozenset({"avx512_bf16", "amx_bf16", "avx512_vnni", "avx2"})
CASCADE, HASWELL = frozenset({"avx512_vnni", "avx2"}), frozenset({"avx2"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = make(tmp_path)
    add_variants(made)
    return made


@pytest.mark.parametrize(
    ("features", "wanted", "name", "graph", "compute"),
    [
        (SAPPHIRE, "auto", "bf16", "graph.pb", "bf16"),
        (CASCADE, "auto", "int8", EIGHT_BITS, "f32"),
        (HASWELL, "auto", "f32", "graph.pb", "f32"),
        (frozenset(), "auto", "f32", "graph.pb", "f32"),
        (SAPPHIRE, "f32", "f32", "graph.pb", "f32"),
        (SAPPHIRE, "int8", "int8", EIGHT_BITS, "f32"),
        (HASWELL, "int8", "int8", EIGHT_BITS, "f32"),
        (frozenset({"avx512_bf16"}), "bf16", "bf16", "graph.pb", "bf16"),
        # It would compute in single precision, and results would say something else.
        (CASCADE, "bf16", "f32", "graph.pb", "f32"),
    ],
)
def test_a_processor_gets_what_it_is_made_for_or_what_is_asked_for(
    folder: Path, features: frozenset[str], wanted: str, name: str, graph: str, compute: str
) -> None:
    chosen = choose_variant(load_manifest(folder), wanted, features)
    assert (chosen.name, chosen.graph, chosen.compute) == (name, graph, compute)


@pytest.mark.parametrize("wanted", ["auto", "f32", "bf16", "int8"])
def test_an_artefact_without_variants_is_run_as_it_is(tmp_path: Path, wanted: str) -> None:
    chosen = choose_variant(load_manifest(make(tmp_path)), wanted, SAPPHIRE)
    assert (chosen.name, chosen.graph, chosen.compute) == ("f32", "graph.pb", "f32")


def test_an_artefact_is_whole_without_the_files_of_its_variants(folder: Path) -> None:
    whole = load_manifest(folder)
    check_files(folder, whole.variants[1])
    (folder / EIGHT_BITS).write_bytes(b"other bits")
    assert load_manifest(folder) == whole
    with pytest.raises(ArtefactError, match="file_hash"):
        check_files(folder, whole.variants[1])
    (folder / EIGHT_BITS).unlink()
    assert load_manifest(folder) == whole
    with pytest.raises(ArtefactError, match="file_missing"):
        check_files(folder, whole.variants[1])


@pytest.mark.parametrize(
    "variants",
    [
        [{"name": "int8", "graph": "absent.xml"}],
        [{"name": "f32"}],
        [{"name": "int4"}],
        [{"name": "bf16", "compute": "int8"}],
        [{"name": "bf16", "compute": "bf16"}, {"name": "bf16", "compute": "bf16"}],
        [{"name": "bf16", "speed": 2}],
        [{"name": "int8", "graph": "../graph.pb", "files": {"../graph.pb": "0" * 64}}],
    ],
)
def test_variants_that_are_refused(tmp_path: Path, variants: list[dict[str, Any]]) -> None:
    with pytest.raises(ArtefactError, match="manifest_invalid"):
        load_manifest(make(tmp_path, variants=variants))


def test_results_name_what_they_come_from() -> None:
    assert joint_name(("f32", "f32")) == "f32"
    assert joint_name(("bf16", "f32")) == joint_name(("f32", "bf16")) == joint_name(("bf16", "bf16")) == "bf16"
    assert joint_name(("int8", "bf16")) == "int8+bf16"


@pytest.mark.parametrize(
    ("text", "model", "features"),
    [
        (
            "processor\t: 0\nmodel name\t: A: B\nflags\t\t: fpu amx_bf16\n\nprocessor\t: 1\nflags\t: no\n",
            "A: B",
            "amx_bf16",
        ),
        ("processor : 0\nFeatures : fp asimd bf16\n", "", "asimd"),
    ],
)
def test_what_linux_says_of_a_processor(text: str, model: str, features: str) -> None:
    found = read_processor(text)
    assert found.model == model
    assert features in found.features
    assert "no" not in found.features
    assert read_processor("nothing like it").features == frozenset()


@pytest.mark.parametrize(
    ("settings", "features", "said"),
    [
        ({}, SAPPHIRE, "bf16 (also there: f32, int8)"),
        ({"precision": "f32"}, SAPPHIRE, "f32 (also there: bf16, int8)"),
        ({}, CASCADE, "int8 (also there: f32, bf16)"),
        ({"runtime": "tensorflow", "precision": "int8"}, CASCADE, "f32 (also there: bf16, int8)"),
        ({"runtime": "onnx"}, SAPPHIRE, "f32 (also there: bf16, int8)"),
    ],
)
def test_the_doctor_says_what_a_worker_takes(
    monkeypatch: pytest.MonkeyPatch, folder: Path, settings: dict[str, Any], features: frozenset[str], said: str
) -> None:
    machine(monkeypatch, False, ())
    make(folder.parent, "plain")
    (make(folder.parent, "broken") / "graph.pb").unlink()
    lines = report(Settings(models_dir=folder.parent, **settings), Processor("A: B", features))
    assert "A: B" in lines[0]
    assert f"toy@1.0.0    {said}" in lines
    assert "plain@1.0.0  f32" in lines
    assert any("cannot be used" in line for line in lines)


@pytest.mark.parametrize(
    ("runtime", "graph", "installed", "precision"),
    [
        ("auto", "graph.pb", ("tensorflow",), "f32"),
        ("auto", "graph.xml", ("tensorflow",), "bf16"),
        ("onnx", "graph.xml", ("openvino",), "bf16"),
        ("tensorflow", "graph.onnx", ("openvino",), "bf16"),
        ("onnx", "graph.onnx", ("openvino",), "f32"),
    ],
)
def test_the_doctor_knows_the_runtime_that_a_worker_takes(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    runtime: str,
    graph: str,
    installed: tuple[str, ...],
    precision: str,
) -> None:
    """Variants are OpenVINO's. Would fail if it went by the setting, where the file or what is installed decides."""
    machine(monkeypatch, False, (), installed)
    folder = make(tmp_path / "models")
    add_variants(folder)
    text = json.loads((folder / "manifest.json").read_text())
    text["files"][graph] = text["files"].pop("graph.pb")
    (folder / "graph.pb").rename(folder / graph)
    (folder / "manifest.json").write_text(json.dumps({**text, "graph": graph}))
    settings = Settings(models_dir=folder.parent, runtime=runtime)
    [said] = [line for line in report(settings, Processor("A: B", SAPPHIRE)) if line.startswith("toy@")]
    assert said.split()[1] == precision
    assert (runtime_of(folder / graph, runtime) == "openvino") == (precision == "bf16"), "as a worker does"


def test_what_is_shipped_says_what_its_variants_cost() -> None:
    """Each has numbers of its own, in the card too, and its files are those it was measured with."""
    shipped = [entry for entry in Catalogue(MODELS_DIR).entries() if entry.manifest and entry.manifest.variants]
    numbers = {
        "caption-transformer": {"everyday_test_cider", "flickr8k_test_bleu_4"},
        "efficientnet-lite2": {"first_label_agreement", "coco_names_map", "imagenet_photos_accuracy"},
    }
    assert {entry.manifest.name for entry in shipped if entry.manifest} == set(numbers)
    for entry in shipped:
        assert entry.manifest is not None
        card = (entry.folder / "README.md").read_text(encoding="utf-8")
        for variant in entry.manifest.variants:
            check_files(entry.folder, variant)
            assert numbers[entry.manifest.name] <= {metric.name for metric in variant.metrics}
            assert f"`{variant.name}`" in card
            assert all(_row(metric) in card for metric in variant.metrics)
            agreement = [metric.value for metric in variant.metrics if metric.name == "first_label_agreement"]
            assert all(value >= 0.97 for value in agreement)


def test_no_variant_costs_more_than_half_a_point() -> None:
    manifests = [entry.manifest for entry in Catalogue(MODELS_DIR).entries() if entry.manifest]
    single = {metric.name: metric.value for manifest in manifests for metric in manifest.metrics}
    for variant in (variant for manifest in manifests for variant in manifest.variants):
        for metric in variant.metrics:
            if metric.name in single and not metric.name.endswith("error"):
                assert metric.value >= single[metric.name] - 0.005, (variant.name, metric.name)


def _row(metric: Metric) -> str:
    return f"| {metric.name} | {metric.value:.4f} |"


def test_a_manifest_without_variants_reads_as_before(tmp_path: Path) -> None:
    folder = make(tmp_path)
    assert "variants" not in json.loads((folder / "manifest.json").read_text())
    assert load_manifest(folder).variants == ()
    assert Variant(name="bf16").metrics == ()
