"""Write the artefact of a captioner, choose how it searches, and measure it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.heads.captions import CaptionSettings, encoded, read_wording
from training.captioner.caption_graph import memory_shapes, write_decoder
from training.captioner.caption_measure import measure_captions
from training.captioner.caption_run import CaptionRun
from training.captioner.label_sayings import label_sayings
from training.common.captions.caption_scores import caption_scores
from training.common.captions.caption_search import best_captions, live_parts
from training.common.captions.content_words import function_words
from training.common.experiment import Experiment
from training.common.package import complete_artefact
from training.encoder.encoder_package import photo_preprocessing

WORDS, LABELS, REPEATS = "words.txt", "labels.txt", "repeats.txt"
FILES = ("graph.pb", WORDS, LABELS, REPEATS)
PENALTIES = (0.8, 1.0, 1.3)
BOOSTS = (0.0, 1.0, 2.0)
# Words of content that people say twice in one sentence.
TWICE = ("one", "two", "other", "another", "some", "many", "several", "group", "couple", "side", "next", "top", "front")
LICENCE = "weights: see the card; learnt from research data sets"
SOURCE = "Flickr8k (Hodosh, Young and Hockenmaier, 2013); everyday photos and captions, see the card"


def package_captioner(run: CaptionRun, experiment: Experiment[Any], folder: Path, data: Path) -> None:
    """Write graph, vocabulary, labels, card and manifest of a run that is trained.

    The test splits are read here and nowhere before; how to search is chosen on the validation photos. The encoder's
    artefact has to lie beside `folder`, or in models/.
    """
    folder.mkdir(parents=True, exist_ok=True)
    inputs = run.inputs
    write_decoder(folder / "graph.pb", run.decoder, inputs.before_the_decoder())
    (folder / WORDS).write_text("\n".join(run.words) + "\n", encoding="utf-8")
    said = label_sayings(inputs.labels, run.words)
    (folder / LABELS).write_text(inputs.labels.written(said), encoding="utf-8")
    again = sorted({word for word in run.words[4:] if word in function_words()} | set(TWICE))
    (folder / REPEATS).write_text("\n".join(again) + "\n", encoding="utf-8")
    settings = best_search(folder, run)
    complete_artefact(folder, manifest_fields(experiment, run, settings), FILES, lambda: measure_captions(folder, data))


def manifest_fields(experiment: Experiment[Any], run: CaptionRun, settings: CaptionSettings) -> dict[str, Any]:
    """The manifest's fields but for metrics and files."""
    decoder, before = run.decoder, run.inputs.before_the_decoder()
    (parts, numbers), memory, places = decoder.entry, memory_shapes(decoder, before), before.places

    def floats(*shape: int | None) -> dict[str, Any]:
        return {"dtype": "float32", "shape": list(shape)}

    return {
        "name": experiment.name,
        "version": experiment.version,
        "task": "caption",
        "kind": "captioner",
        "summary": experiment.summary,
        "graph": "graph.pb",
        "encoders": {"image": run.inputs.encoder.id},
        "settings": settings.model_dump(mode="json"),
        "preprocessing": photo_preprocessing(),
        "inputs": {
            "grid": floats(None, *before.grid_shape),
            "tokens": {"dtype": "int32", "shape": [None, None]},
            "position": {"dtype": "int32", "shape": [1]},
            "cache": floats(None, parts, None, None, numbers),
            **{name: floats(None, *shape) for name, shape in memory.items()},
        },
        "outputs": {
            **{encoded(name): floats(None, *shape) for name, shape in memory.items()},
            "label_ids": {"dtype": "int32", "shape": [None, places]},
            "label_scores": floats(None, places),
            "log_probabilities": floats(None, None, decoder.vocabulary),
            "entry": floats(parts, None, None, numbers),
        },
        "licence": LICENCE,
        "source": SOURCE,
    }


def best_search(folder: Path, run: CaptionRun) -> CaptionSettings:
    """How to search: what gives the best sum of BLEU-4 and CIDEr, mean over the collections' validation photos."""
    best: tuple[float, CaptionSettings] = (-1.0, CaptionSettings(words=WORDS, most_words=1, entry=(1, 1), memory=()))
    tried = [(penalty, 2.0) for penalty in PENALTIES]
    for number in range(2):
        for penalty, boost in tried:
            settings = CaptionSettings(
                words=WORDS, labels=LABELS, repeats=REPEATS, most_words=run.decoder.positions - 1,
                entry=run.decoder.entry, memory=run.decoder.memory_names(), length_penalty=penalty, boost=boost,
            )  # fmt: skip
            scores = search_scores(folder, run, settings)
            print(f"validation, length penalty {penalty}, boost {boost}: {scores}", flush=True)
            value = float(np.mean([found["bleu_4"] + found["cider"] for found in scores.values()]))
            if value > best[0]:
                best = value, settings
        tried = [(best[1].length_penalty, boost) for boost in BOOSTS if boost != best[1].boost] if not number else []
    return best[1]


def search_scores(folder: Path, run: CaptionRun, settings: CaptionSettings, most: int = 300) -> dict[str, Any]:
    """Scores on the validation photos of each collection, by its name."""
    wording, found = read_wording(folder, settings), {}
    for name, (photos, feeds) in run.validation.items():
        some: Sequence[Any] = photos[:most]
        captions = best_captions(
            live_parts(run.decoder), {key: value[:most] for key, value in feeds.items()}, wording, settings
        )
        found[name] = caption_scores([one.text for one in captions], [photo.captions for photo in some])
    return found
