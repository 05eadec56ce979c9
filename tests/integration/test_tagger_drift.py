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
from core.tasks import TagOptions
from training.tagger.offline_tagger import OfflineTagger
from worker.models.load import load_model
from worker.models.model import InferenceRequest, encoder_in
from worker.models.tagger import Tagger

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
def served(photos: list[Path], request: pytest.FixtureRequest) -> tuple[str, Tagger, list[Floats]]:
    """A runtime, the tagger in the worker, and what its encoder gives it for the photos."""
    settings = load_settings(runtime=request.param, precision="f32")
    tagger = load_model(MODELS / "tag-open", settings)
    encoder = encoder_in(load_model(Catalogue(MODELS).find(tagger.manifest.encoders["image"]).folder, settings))
    assert isinstance(tagger, Tagger)
    assert encoder is not None
    spec = encoder.manifest.preprocessing
    assert isinstance(spec, ImageSpec)
    rows = []
    for start in range(0, PHOTOS, 16):
        pixels = [decode_image(path.read_bytes(), spec, 10**8).pixels for path in photos[start : start + 16]]
        rows += [found["pooled"] for found in encoder.encode(pixels, ("pooled",))]
    return request.param, tagger, rows


@pytest.mark.parametrize("vocabulary", ["photos", "open-images", "own"])
def test_the_worker_gives_what_is_measured(
    offline: tuple[OfflineTagger, Floats], served: tuple[str, Tagger, list[Floats]], vocabulary: str
) -> None:
    measured, embeddings = offline
    words = measured.own(OWN) if vocabulary == "own" else measured.named(vocabulary)
    expected = words.scores(embeddings)
    runtime, tagger, rows = served
    options = TagOptions.model_validate({"vocabulary": OWN if vocabulary == "own" else vocabulary, "top_k": 20})
    raw = tagger.predict([InferenceRequest(row, options) for row in rows])
    results = [tagger.render(one, options).json for one in raw]

    assert len(results) == PHOTOS
    # The two runtimes add in another order; the same one gives the same digits.
    tolerance = 2e-6 if runtime == "tensorflow" else 5e-3
    for scores, result in zip(expected, results, strict=True):
        measured_score = dict(zip(words.labels, scores.tolist(), strict=True))
        names = [label["label"] for label in result["labels"]]
        given = [label["score"] for label in result["labels"]]
        assert len(set(names)) == len(names) == min(options.top_k, len(scores))
        # Each label by its name, so that labels in other places than their scores are noticed; then the order.
        assert given == pytest.approx([measured_score[name] for name in names], abs=tolerance)
        assert given == pytest.approx(np.sort(scores)[::-1][: len(names)].tolist(), abs=tolerance)


@pytest.mark.parametrize("vocabulary", ["photos", "open-images"])
def test_stored_embeddings_give_the_same_labels_without_the_photos(
    served: tuple[str, Tagger, list[Floats]], vocabulary: str
) -> None:
    """What a library keeps of a photo is float16: labels and scores it gives later are those of the day."""
    _, tagger, rows = served
    options = TagOptions.model_validate({"vocabulary": vocabulary})
    raw = tagger.predict([InferenceRequest(row, options) for row in rows])
    for one in raw:
        output = tagger.render(one, options)
        assert np.isfinite(output.embedding).all()
        again = tagger.render(tagger.tag(output.embedding, options), options)
        assert np.abs(tagger.tag(output.embedding, options).scores - one.scores).max() < 1e-3
        first, then = ({label["label"] for label in found.json["labels"]} for found in (output, again))
        assert len(first & then) >= len(first) - 1, "of two that score all but the same, one may take the other's place"
