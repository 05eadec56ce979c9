"""The model that most tests of the pipeline run."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny classifier: how work is handed on does not depend on what the models know."""
    from tests.support.artefacts import set_defaults, write_encoder  # with TensorFlow, which few tests need

    folder = tmp_path_factory.mktemp("models")
    write_encoder(folder)
    set_defaults(folder, classify="eye")
    return folder
