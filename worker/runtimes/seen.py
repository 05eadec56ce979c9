"""Which runtimes see a card, and what keeps the others from it."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from core.cards import cards


def keeps_from_card() -> dict[str, str | None]:
    """By the package of each runtime that can run on a card, what keeps it from that, for people; None if nothing."""
    return {"onnxruntime": _onnxruntime(), "tensorflow": _tensorflow()}


def _onnxruntime() -> str | None:
    if find_spec("onnxruntime") is None:
        return "not installed: pip install 'onnxruntime-gpu[cuda,cudnn]', and export what shall run there"
    try:
        missing: str | None = import_module("worker.runtimes.onnx").cuda_missing()
    except Exception as error:  # whatever the import of one raises that does not fit
        return f"cannot be imported: {error}"
    return missing


def _tensorflow() -> str | None:
    if find_spec("tensorflow") is None:
        return "not installed: pip install 'tensorflow[and-cuda]'"
    if cards() and import_module("worker.runtimes.tensorflow").gpu_visible():  # without one, not worth its import
        return None
    return "sees no card: its driver or CUDA is missing (pip install 'tensorflow[and-cuda]')"
