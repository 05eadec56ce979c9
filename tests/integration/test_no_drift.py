"""No drift: what the worker serves for a photo is what the same artefacts say offline, where their cards are measured.

Offline TensorFlow computes one list of photos; in the worker photos are fetched, decoded on threads, batched as they
come, encoded once for all tasks, and computed by OpenVINO (or TensorFlow). Both run the same graph files in float32,
but sum in another order: probabilities differ by some 1e-6. So scores may differ by TOLERANCE, and where two labels, or
two sentences, are closer to each other than that, either may come first.

Variants in fewer bits are held by what they say, see `test_a_variant_says_the_same`: sure labels are those of single
precision, and what is ranked high stays high.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from prometheus_client import CollectorRegistry

pytest.importorskip("tensorflow")

from cli.demo.servers import photo_server
from core.artefacts.catalogue import Catalogue
from core.artefacts.manifest import load_manifest, read_labels
from core.artefacts.variants import choose_variant
from core.heads.captions import CaptionSettings, read_wording
from core.processor import this_processor
from core.settings import Settings
from core.tasks import CaptionOptions, ClassifyOptions, TagOptions
from db import keys
from db.engine import Database
from db.results import stream_results
from tests.support.jobs import make_job
from tests.support.worker import run_chunk
from training.common.captions.caption_search import best_captions
from training.common.graph_runner import graph_parts
from training.common.photos.augment import view
from training.common.photos.offline_encoder import encode_photos_once
from training.tagger.offline_tagger import OfflineTagger
from worker.metrics import Metrics
from worker.process.lifetime import close_worker, open_worker

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"
DEFAULTS: dict[str, str] = json.loads((MODELS / "defaults.json").read_text())
TASKS = tuple(task for task in ("classify", "caption", "tag") if task in DEFAULTS)
PHOTOS, FEW = 200, 48
SIDE = 320
TOLERANCE = 1e-4
SURE = 0.5
Row = dict[str, Any]
VARIANTS = [variant.name for variant in load_manifest(MODELS / "efficientnet-lite2", verify=False).variants]
# Least shares of photos whose first label is the same where single precision is sure of it, of first labels that are
# among the first ones of single precision, and of photos with the same sentence.
LEAST = {
    "bf16": {"sure": 0.97, "shared": 0.8, "sentences": 0.4},
    "int8": {"sure": 0.97, "shared": 0.8, "sentences": 0.4},
}

# Keras 3.15 asks TensorFlow for arrays in a way that numpy 2 warns about.
KERAS = "ignore:__array__ implementation:DeprecationWarning"
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings(KERAS)]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Crops of the sample photos, in other light, some mirrored, as JPEG files."""
    folder = tmp_path_factory.mktemp("views")
    samples = [Image.open(path).convert("RGB") for path in sorted((ROOT / "samples").glob("*.jpg"))]
    for sample in samples:
        sample.thumbnail((SIDE, SIDE))
    paths = [folder / f"{at}.jpg" for at in range(PHOTOS)]
    for at, path in enumerate(paths):
        pixels = np.asarray(samples[at % len(samples)], np.uint8)
        Image.fromarray(view(pixels, at // len(samples), (at,))).save(path, quality=92)
    return paths


def folder_of(task: str) -> Path:
    return Catalogue(MODELS).resolve(task).folder


class Offline:
    """What the artefacts say of each photo where their cards are measured.

    Attributes:
        labels: of each ranked task, in the order of the scores, and
        scores: [photos, labels].
        captions: text and score.
    """

    def __init__(self, photos: list[Path]) -> None:
        encoder = folder_of("classify")
        manifest = load_manifest(encoder)
        outputs = {"classify": "probabilities", "caption": "grid", "tag": "pooled"}
        seen = encode_photos_once(encoder, manifest, photos, [outputs[task] for task in TASKS])
        self.labels = {"classify": [label.name for label in read_labels(encoder, manifest)]}
        self.scores: dict[str, NDArray[np.float32]] = {"classify": seen["probabilities"]}
        if "tag" in TASKS:
            tagger = OfflineTagger(folder_of("tag"))
            vocabulary = tagger.named(TagOptions().vocabulary)  # type: ignore[arg-type]
            self.labels["tag"] = list(vocabulary.labels)
            self.scores["tag"] = vocabulary.scores(tagger.place(seen["pooled"]))
        if "caption" in TASKS:
            folder = folder_of("caption")
            settings = CaptionSettings.model_validate(load_manifest(folder).settings)
            assert settings.beam_size == CaptionOptions().beam_size, "the card's numbers are of what is served"
            assert settings.most_words <= CaptionOptions().max_words
            wording, run = read_wording(folder, settings), graph_parts(folder / "graph.pb")
            self.captions = best_captions(run, {"grid": seen["grid"]}, wording, settings)


@pytest.fixture(scope="module")
def offline(photos: list[Path]) -> Offline:
    return Offline(photos)


@pytest.fixture
def database(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    shutil.copy(sqlite_template, tmp_path / "tagline.db")
    opened = Database(f"sqlite:///{tmp_path / 'tagline.db'}")
    yield opened
    opened.close()


def served(database: Database, photos: list[Path], runtime: str, tmp_path: Path, precision: str = "f32") -> list[Row]:
    """The outputs of one job that asks for all image tasks at once."""
    with photo_server(photos[0].parent) as url:
        settings = Settings(
            database_url=f"sqlite:///{tmp_path / 'tagline.db'}", data_dir=tmp_path / "data", models_dir=MODELS,
            allow_hosts=(url.split("/")[2],), runtime=runtime, precision=precision,
        )  # fmt: skip
        with database.write() as session:
            tenant = keys.create_tenant(session, "acme", "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0")
        job = make_job(database, tenant, refs=[f"{url}/{path.name}" for path in photos], chunk=25, tasks=TASKS)
        context = open_worker(settings, Metrics(CollectorRegistry()))
        try:
            while run_chunk(context, "image"):
                pass
        finally:
            close_worker(context)
    rows = list(stream_results(database, job))
    assert [row["error"] for row in rows] == [None] * len(photos)
    return [row["outputs"] for row in rows]


def check_ranked(offline: Offline, task: str, rows: list[Row], most: int) -> None:
    """Same labels in the same order, but for labels whose scores are as good as equal."""
    names, swapped = offline.labels[task], 0
    for scores, row in zip(offline.scores[task], rows, strict=False):
        best = np.argsort(-scores, kind="stable")[:most]
        found = row[task]["labels"]
        assert len(found) == most
        assert [label["score"] for label in found] == pytest.approx(scores[best].tolist(), abs=TOLERANCE)
        swapped += [label["label"] for label in found] != [names[at] for at in best]
        by_name = dict(zip(names, scores.tolist(), strict=True)) if len(set(names)) == len(names) else {}
        for label in found:
            assert by_name.get(label["label"], label["score"]) == pytest.approx(label["score"], abs=TOLERANCE)
    assert swapped <= len(rows) // 50


@pytest.mark.parametrize(("runtime", "count"), [("openvino", PHOTOS), ("tensorflow", FEW)])
def test_the_worker_serves_what_was_measured(
    offline: Offline, photos: list[Path], database: Database, tmp_path: Path, runtime: str, count: int
) -> None:
    rows = served(database, photos[:count], runtime, tmp_path)
    assert len(rows) == count
    assert {row[task]["variant"] for row in rows for task in TASKS} == {"f32"}
    check_ranked(offline, "classify", rows, ClassifyOptions().top_k)
    if "tag" in TASKS:
        check_ranked(offline, "tag", rows, TagOptions().top_k)
    if "caption" in TASKS:
        pairs = list(zip(offline.captions, [row["caption"] for row in rows], strict=False))
        assert len({caption.text for caption, _ in pairs}) > count // 20, "the photos are told apart"
        assert [row["text"] for _, row in pairs] == [caption.text for caption, _ in pairs]
        assert [row["score"] for _, row in pairs] == pytest.approx([c.score for c, _ in pairs], abs=TOLERANCE)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_says_the_same(
    offline: Offline, photos: list[Path], database: Database, tmp_path: Path, variant: str
) -> None:
    """Fails where a variant's graph is not that of its artefact, or a head reads it as something else."""
    manifest = load_manifest(folder_of("classify"))
    if choose_variant(manifest, variant, this_processor().features).name != variant:
        pytest.skip(f"this processor cannot compute {variant}")
    rows = served(database, photos, "openvino", tmp_path, precision=variant)
    assert {row[task]["variant"] for row in rows for task in TASKS} == {variant}
    least = LEAST[variant]
    for task in set(TASKS) & {"classify", "tag"}:
        most = ClassifyOptions().top_k
        best = np.argsort(-offline.scores[task], axis=1, kind="stable")[:, :most]
        names = [[offline.labels[task][at] for at in row] for row in best]
        found = [[label["label"] for label in row[task]["labels"][:most]] for row in rows]
        shared = [len({*then} & {*now}) / most for then, now in zip(names, found, strict=True)]
        assert np.mean(shared) >= least["shared"], task
        if task == "classify":
            same = np.array([then[0] == now[0] for then, now in zip(names, found, strict=True)])
            assert same[offline.scores[task].max(axis=1) >= SURE].mean() >= least["sure"]
    if "caption" in TASKS:
        texts = [row["caption"]["text"] for row in rows]
        same = np.array([then.text == now for then, now in zip(offline.captions, texts, strict=True)])
        assert same.mean() >= least["sentences"]
