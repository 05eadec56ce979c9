"""A job's inputs and what becomes of them as plain data, from the request to the worker."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from core.errors import ItemError
from core.states import ItemState

if TYPE_CHECKING:  # the scheduler reads this file too, and has no use for numpy
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")
CHARACTERS = 1 << 20  # of a chunk's inputs together: a worker has several chunks in its memory
InputKind = Literal["url", "s3", "s3_prefix", "upload", "file", "text"]


@dataclass(frozen=True, slots=True)
class InputItem:
    """One input of a job.

    Attributes:
        seq: its place in the submission, from 0.
        id: the caller's own id, or its seq as text.
        kind: how `ref` is to be read.
        ref: URL, s3:// URI, upload id, path of a file on the worker, or the text itself; of a prefix see `PrefixState`.
    """

    seq: int
    id: str
    kind: InputKind
    ref: str

    def public(self) -> dict[str, str]:
        """The input as the caller gave it, for results; of a prefix also how far it was listed."""
        if self.kind == "s3_prefix":
            state = PrefixState.of(self.ref)
            return {"s3_prefix": state.prefix} | ({"after": state.after} if state.after else {})
        return {self.kind: self.ref}


@dataclass(frozen=True, slots=True)
class PrefixState:
    """How far a prefix was listed, as the reference of an input: the prefix, then lines that no prefix can hold.

    Attributes:
        found: photos below it so far; after a failure and a retry only whether there were any.
        after: where to go on; "" is the beginning.
    """

    prefix: str
    found: int = 0
    after: str = ""

    @classmethod
    def of(cls, ref: str) -> PrefixState:
        """The inverse of `ref`; a bare prefix is at its beginning."""
        prefix, _, rest = ref.partition("\n")
        found, _, after = rest.partition("\n")
        return cls(prefix, int(found or 0), after)

    @property
    def ref(self) -> str:
        return f"{self.prefix}\n{self.found}\n{self.after}"


def pack_items(items: Sequence[InputItem]) -> bytes:
    """A chunk's inputs as one compressed value: a million inputs are then some thousands of rows."""
    rows = [[item.seq, item.id, item.kind, item.ref] for item in items]
    return zlib.compress(
        json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"), 1
    )


def unpack_items(blob: bytes) -> list[InputItem]:
    """The inverse of `pack_items`."""
    return [InputItem(*row) for row in json.loads(zlib.decompress(blob).decode("utf-8", "surrogatepass"))]


@dataclass(frozen=True, slots=True)
class PackedChunk:
    """A chunk's items as they are stored, and the uploads that they name. One of size 0 is a prefix to be listed."""

    first_seq: int
    last_seq: int
    size: int
    blob: bytes
    uploads: tuple[str, ...] = ()


def groups(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` rows, the last one shorter (itertools.batched came with Python 3.12)."""
    rows = iter(rows)
    while group := list(islice(rows, size)):
        yield group


def cut_chunks(items: Iterable[InputItem], size: int) -> Iterator[PackedChunk]:
    """Cut items into chunks of at most `size`, of long texts fewer, reading no further ahead than one chunk. A prefix
    is a chunk of its own, and counts for nothing: what is found below it does."""
    waiting: list[InputItem] = []
    characters = 0
    for item in items:
        if item.kind == "s3_prefix":
            yield PackedChunk(item.seq, item.seq, 0, pack_items([item]))
            continue
        if waiting and characters + len(item.ref) > CHARACTERS:
            yield _packed(waiting)
            waiting, characters = [], 0
        waiting.append(item)
        characters += len(item.ref)
        if len(waiting) == size:
            yield _packed(waiting)
            waiting, characters = [], 0
    if waiting:
        yield _packed(waiting)


def _packed(group: list[InputItem]) -> PackedChunk:
    uploads = tuple({item.ref: None for item in group if item.kind == "upload"})
    return PackedChunk(group[0].seq, group[-1].seq, len(group), pack_items(group), uploads)


@dataclass(frozen=True, slots=True)
class Validators:
    """What a server says of the bytes it sent, for asking whether they are still the same (RFC 9110, section 8.8)."""

    etag: str | None = None
    modified: str | None = None


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of one item.

    Attributes:
        outputs: by task; None unless it succeeded.
        media: sha256, width, height and bytes of an image, as far as they became known.
        error: why it failed; None unless it did.
        cancelled: it was given up before it ran.
        embeddings: by task, float16 [size], of models that give one; they are no part of what a caller sees.
        reused: its bytes are known; no model has seen this input.
        kept: the outputs lie in the ledger already.
        unmodified: its source says that the bytes are the ones known; then there are no outputs.
        validators: what its server said of the bytes.
        thumbnail: the photo's thumbnail is stored.
    """

    item: InputItem
    outputs: dict[str, Any] | None = None
    media: dict[str, Any] | None = None
    error: ItemError | None = None
    cancelled: bool = False
    embeddings: Mapping[str, NDArray[np.float16]] = field(default_factory=dict, compare=False)
    reused: bool = False
    kept: bool = False
    unmodified: bool = False
    validators: Validators | None = None
    thumbnail: bool = False

    @property
    def state(self) -> ItemState:
        if self.cancelled:
            return ItemState.CANCELLED
        return ItemState.FAILED if self.error else ItemState.SUCCEEDED
