"""What is sent about photo libraries, and the bounds that HTTP puts on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import Field

from core.errors import RequestError
from db.labels import fold
from libraries.library_fields import CaptionEdit, LabelEdits, RunFields
from libraries.xmp.label_checks import MAX_LABELS, check_caption, check_labels

MAX_LIMIT = 1_000_000_000
MAX_FOLDED_BYTES = 2_000  # some signs are twenty as they are compared, and an index of PostgreSQL takes 2,700 bytes


class RunRequest(RunFields):
    """A run that is started by hand."""

    limit: int | None = Field(None, ge=1, le=MAX_LIMIT)


class LabelEditsRequest(LabelEdits):
    """What a person says of a photo's labels."""

    add: list[str] = Field(default_factory=list)
    remove: list[str] = Field(default_factory=list)

    def check(self) -> None:
        """Refuse what could not stand in a sidecar; raises as `check_labels`, with the place."""
        for name, labels in (("/add", self.add), ("/remove", self.remove)):
            check_labels(labels, name)
            _check_folded(labels, name)


class CaptionEditRequest(CaptionEdit):
    """What a person calls a photo; null gives it back to the model."""

    text: str | None

    def check(self) -> None:
        """As `LabelEditsRequest.check`; raises as `check_caption`."""
        if self.text is not None:
            check_caption(self.text, "/text")


def check_total(labels: Iterable[Mapping[str, Any]]) -> None:
    """Refuse an edit after which a photo would have more labels of people than a sidecar bears.

    Raises:
        RequestError: `labels_too_many`.
    """
    if sum(label["by"] == "person" for label in labels) > MAX_LABELS:
        raise RequestError("labels_too_many", f"A photo has at most {MAX_LABELS:,} labels of people.", where="/add")


def _check_folded(labels: Sequence[str], where: str) -> None:
    for place, label in enumerate(labels):
        if len(fold(label).encode()) > MAX_FOLDED_BYTES:
            message = f"Spelled out, this label has more than {MAX_FOLDED_BYTES:,} bytes."
            raise RequestError("label_invalid", message, where=f"{where}/{place}")
