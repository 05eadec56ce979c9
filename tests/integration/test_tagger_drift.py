"""The shipped tagger in the worker gives what it gives offline, where its card is measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from numpy.typing import NDArray
from PIL import Image

from core.artefacts.catalogue import Catalogue
from core.images.decode import ImageSpec, decode_image
from core.settings import load_settings
from training.tagger.offline_tagger import OfflineTagger
from worker.models.load import load_model
from worker.models.model import Encoder, Model, Query

MODELS, SAMPLES = Path("models"), Path("samples")
OWN = ["dog", "a cup of coffee", "Golden Retriever", "café", "rocket", "purple flowers", "nothing at all"]
PHOTOS = 200
Floats = NDArray[np.float32]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (MODELS / "tag-open").is_dir(), reason="the tagger is not installed"),
    # Keras 3.15 asks TensorFlow for arrays in a way that numpy 2 warns about.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Parts of the sample photos, cut by chance."""
    folder, random = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    images = [Image.open(path).convert("RGB") for path in sorted(SAMPLES.glob("*.jpg"))]
    for at in range(PHOTOS):
        image = images[at % len(images)]
        left, top = random.uniform(0, image.width / 2), random.uniform(0, image.height / 2)
        size = random.uniform(0.3, 0.5) * min(image.size)
        image.crop((int(left), int(top), int(left + size), int(top + size))).save(folder / f"{at:03}.png")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def offline(photos: list[Path]) -> tuple[OfflineTagger, Floats]:
    """The tagger as it is measured, and its embeddings of the photos."""
    tagger = OfflineTagger(MODELS / "tag-open")
    return tagger, tagger.embed(photos)


@pytest.fixture(scope="module", params=["tensorflow", "openvino"])
def served(photos: list[Path], request: pytest.FixtureRequest) -> tuple[str, Model, list[Floats]]:
    """A runtime, the tagger in the worker, and what its encoder gives it for the photos."""
    settings = load_settings(runtime=request.param)
    tagger = load_model(MODELS / "tag-open", settings)
    encoder = load_model(Catalogue(MODELS).find(tagger.manifest.encoders["image"]).folder, settings)
    spec = encoder.manifest.preprocessing
    assert isinstance(encoder, Encoder)
    assert isinstance(spec, ImageSpec)
    rows = []
    for start in range(0, PHOTOS, 16):
        pixels = [decode_image(path.read_bytes(), spec, 10**8).pixels for path in photos[start : start + 16]]
        rows += [found["pooled"] for found in encoder.encode(pixels, ("pooled",))]
    return request.param, tagger, rows


@pytest.mark.parametrize("vocabulary", ["photos", "open-images", "own"])
def test_the_worker_gives_what_is_measured(
    offline: tuple[OfflineTagger, Floats], served: tuple[str, Model, list[Floats]], vocabulary: str
) -> None:
    measured, embeddings = offline
    expected = (measured.own(OWN) if vocabulary == "own" else measured.named(vocabulary)).scores(embeddings)
    runtime, tagger, rows = served
    options = {"vocabulary": OWN if vocabulary == "own" else vocabulary, "top_k": 20}
    raw = tagger.predict([Query(row, options) for row in rows])
    results = [tagger.render(one, options) for one in raw]

    assert len(results) == PHOTOS
    for scores, result in zip(expected, results, strict=True):
        best = np.sort(scores)[::-1][: len(result["labels"])]
        given = [label["score"] for label in result["labels"]]
        # The two runtimes add in another order; the same one gives the same digits.
        assert given == pytest.approx(best.tolist(), abs=2e-6 if runtime == "tensorflow" else 5e-3)
