"""What a photo's sidecar is called, and the drafts of sidecars."""

from __future__ import annotations

import hashlib
import re

from core.settings import Settings

_DRAFT = re.compile(r"\.tagline-[0-9a-f]{24}\.tmp")


def sidecar_names(photo: str, settings: Settings) -> tuple[str, str]:
    """The names that a photo's sidecar may have: ours, and how others spell it.

    Args:
        photo: its name, or its key.
        settings: reads sidecar_names. With IMG_1.xmp, photos that differ in their extension alone share one.
    """
    folder, slash, name = photo.rpartition("/")
    stem = name.rpartition(".")[0] or name
    start = folder + slash + (name if settings.sidecar_names == "IMG_1.jpg.xmp" else stem)
    return f"{start}.xmp", f"{start}.XMP"


def draft_name(sidecar: str) -> str:
    """What a sidecar is called until it is whole: hidden, no .xmp, the same each time, and short enough everywhere."""
    return f".tagline-{hashlib.sha256(sidecar.encode('utf-8', 'surrogateescape')).hexdigest()[:24]}.tmp"


def is_draft(name: str) -> bool:
    """Whether a file of this name is such a draft."""
    return _DRAFT.fullmatch(name) is not None
