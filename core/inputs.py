"""A job's inputs as plain data, from the request to the worker."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

InputKind = Literal["url", "s3", "upload", "text"]
INPUT_KINDS: tuple[InputKind, ...] = ("url", "s3", "upload", "text")


@dataclass(frozen=True, slots=True)
class InputItem:
    """One input of a job.

    Attributes:
        seq: its place in the submission, from 0.
        id: the caller's own id, or its seq as text.
        kind: how `ref` is to be read.
        ref: URL, s3:// URI, upload id, or the text itself.
    """

    seq: int
    id: str
    kind: InputKind
    ref: str

    def public(self) -> dict[str, str]:
        """The input as the caller gave it, for results."""
        return {self.kind: self.ref}


@dataclass(frozen=True, slots=True)
class NewJob:
    """A validated submission, without its inputs."""

    id: str
    tenant_id: str
    tasks: tuple[str, ...]
    queue: str
    priority: int
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    name: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    webhook_url: str | None = None
    webhook_secret: str | None = None


def pack_items(items: Sequence[InputItem]) -> bytes:
    """A chunk's inputs as one compressed value: a million inputs are then some thousands of rows."""
    rows = [[item.seq, item.id, item.kind, item.ref] for item in items]
    return zlib.compress(json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"), 1)


def unpack_items(blob: bytes) -> list[InputItem]:
    """The inverse of `pack_items`."""
    return [InputItem(*row) for row in json.loads(zlib.decompress(blob).decode("utf-8", "surrogatepass"))]
