"""What may be a label or a caption in a sidecar: what XML can hold, and not more of it than photo software bears."""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.errors import RequestError

MAX_LABELS = 1000  # of one photo
MAX_LABEL, MAX_CAPTION = 200, 10_000
# What XML 1.0 cannot hold (section 2.2), the other control characters, and what ends a line.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_UNFIT_IN_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")


def check_labels(labels: Sequence[str], where: str | None = None) -> None:
    """Refuse labels that no sidecar could hold.

    Args:
        where: the place of the list, as a JSON pointer.

    Raises:
        RequestError: `labels_too_many` past 1,000, `label_invalid` for an empty one, one of more than 200 characters,
            or one with control characters; with its place.
    """
    if len(labels) > MAX_LABELS:
        raise RequestError("labels_too_many", f"A photo has at most {MAX_LABELS:,} labels.", where=where)
    for number, label in enumerate(labels):
        if not label.strip() or len(label) > MAX_LABEL or _UNFIT.search(label):
            message = f"A label has 1 to {MAX_LABEL} characters, not only spaces, and no control characters."
            raise RequestError("label_invalid", message, where=None if where is None else f"{where}/{number}")


def check_caption(text: str, where: str | None = None) -> None:
    """Refuse a caption that no sidecar could hold.

    Raises:
        RequestError: `caption_invalid`, longer than 10,000 characters, or with control characters but line breaks.
    """
    if len(text) > MAX_CAPTION or _UNFIT_IN_TEXT.search(text):
        message = f"A caption has at most {MAX_CAPTION:,} characters, and no control characters but line breaks."
        raise RequestError("caption_invalid", message, where=where)
