"""Which encoders a model reads, and which of their outputs."""

from __future__ import annotations

from core.artefacts.manifest import Manifest
from core.errors import ArtefactError


def image_feature(head: Manifest, encoder: Manifest) -> str:
    """The output of an image encoder that a model reads: the input of the model that has the same name.

    Raises:
        ArtefactError: `encoder_mismatch`, there is not exactly one, it is of another type or shape, or the two do not
            see the same image.
    """
    shared = sorted(head.inputs.keys() & encoder.outputs.keys())
    if len(shared) != 1:
        wanted, there = ", ".join(sorted(head.inputs)), ", ".join(sorted(encoder.outputs))
        raise _mismatch(head, encoder, f"one of its inputs ({wanted}) must be an output of that ({there})")
    (name,) = shared
    if head.inputs[name] != encoder.outputs[name]:
        takes, gives = head.inputs[name], encoder.outputs[name]
        raise _mismatch(
            head, encoder, f"{name} is {gives.dtype} {gives.shape} there and {takes.dtype} {takes.shape} here"
        )
    if head.preprocessing != encoder.preprocessing:
        raise _mismatch(head, encoder, "their preprocessing differs")
    return name


def encoder_missing(head: Manifest, encoder_id: str, reason: str) -> ArtefactError:
    """What to raise where an encoder cannot be had."""
    return ArtefactError("encoder_missing", f"{head.id} reads {encoder_id}, which cannot be used: {reason}")


def _mismatch(head: Manifest, encoder: Manifest, reason: str) -> ArtefactError:
    return ArtefactError("encoder_mismatch", f"{head.id} cannot read {encoder.id}: {reason}")
