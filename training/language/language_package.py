"""From a trained language network to its artefact."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from training.common.calibration import vector_scaling
from training.common.experiment import Experiment
from training.common.texts.classifier_package import Head, package_classifier, quantise
from training.language.language_data import LANGUAGES
from training.language.language_measure import measure_language
from training.language.language_plan import LanguagePlan
from training.language.language_run import LanguageRun

NAMES = {"en": "English", "fr": "French", "es": "Spanish"}
LICENCE = "CC-BY-SA-4.0"
SOURCE = "word frequencies of film subtitles (CC-BY-SA-4.0); sentences of free manual pages"


def package_language(run: LanguageRun, experiment: Experiment[LanguagePlan], folder: Path, data: Path) -> None:
    """Write the artefact of a run that is trained; the test split in `data` is read here and nowhere before."""
    quantise(run.network)
    factor, *shifts = (float(value) for value in vector_scaling(*run.validation_logits()))
    shift = np.array(shifts, np.float32)

    def call(logits: Any) -> Mapping[str, Any]:
        return {"probabilities": ops.softmax(logits * factor + shift)}

    labels = [(NAMES[code], code) for code in LANGUAGES]
    head = Head(call, {"probabilities": len(LANGUAGES)}, labels, {"licence": LICENCE, "source": SOURCE})
    package_classifier(folder, experiment, run.network, head, lambda: measure_language(folder, data))
