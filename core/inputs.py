"""A job's inputs and what becomes of them as plain data, from the request to the worker."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from json.encoder import encode_basestring as quoted
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from core.errors import ItemError
from core.states import ItemState

if TYPE_CHECKING:  # the scheduler reads this file too, and has no use for numpy
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")
BYTES = 1 << 20  # of a chunk's inputs together, unpacked: a worker has several chunks in its memory
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


@dataclass(frozen=True, slots=True)
class InputRows:
    """Inputs one after the other, each as the JSON row that `pack_items` makes of it: none of them names an upload or
    a prefix.

    Attributes:
        first_seq: the place of the first in the submission; the others follow without a gap.
        rows: not empty.
    """

    first_seq: int
    rows: list[bytes]

    def __len__(self) -> int:
        return len(self.rows)


def pack_items(items: Iterable[InputItem]) -> bytes:
    """A chunk's inputs as one compressed value: a million inputs are then some thousands of rows."""
    return _pack_rows(map(_row, items))


def _row(item: InputItem) -> bytes:
    row = f'[{item.seq},{quoted(item.id)},"{item.kind}",{quoted(item.ref)}]'
    return row.encode("utf-8", "surrogatepass")


def _pack_rows(rows: Iterable[bytes]) -> bytes:
    return zlib.compress(b"[" + b",".join(rows) + b"]", 1)


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


def cut_chunks(items: Iterable[InputItem | InputRows], size: int) -> Iterator[PackedChunk]:
    """Cut items into chunks of at most `size`, of long texts fewer, reading no further ahead than one chunk. A prefix
    is a chunk of its own, and counts for nothing: what is found below it does."""
    waiting = _Waiting(size)
    for item in items:
        if isinstance(item, InputRows):
            start = 0
            while start < len(item):
                start += waiting.add_rows(item, start)
                if waiting.full or start < len(item):
                    yield waiting.take()
        elif item.kind == "s3_prefix":
            yield PackedChunk(item.seq, item.seq, 0, pack_items([item]))
        else:
            row = _row(item)
            if not waiting.has_room(row):
                yield waiting.take()
            waiting.add(item, row)
            if waiting.full:
                yield waiting.take()
    if waiting.rows:
        yield waiting.take()


@dataclass(slots=True)
class _Waiting:
    """What will be the next chunk, of at most `size` rows and `BYTES`."""

    size: int
    rows: list[bytes] = field(default_factory=list)
    uploads: dict[str, None] = field(default_factory=dict)
    taken: int = 0  # bytes
    first_seq: int = 0
    last_seq: int = 0

    @property
    def full(self) -> bool:
        return len(self.rows) == self.size

    def has_room(self, row: bytes) -> bool:
        """Whether a row still fits; one that is too long for any chunk has one of its own."""
        return not self.rows or self.taken + len(row) <= BYTES

    def add(self, item: InputItem, row: bytes) -> None:
        if not self.rows:
            self.first_seq = item.seq
        self.rows.append(row)
        self.taken += len(row)
        self.last_seq = item.seq
        if item.kind == "upload":
            self.uploads[item.ref] = None

    def add_rows(self, given: InputRows, start: int) -> int:
        """Add rows from `start` on while there is room; how many that were, maybe none."""
        some = given.rows[start : start + self.size - len(self.rows)]
        total = sum(map(len, some))
        while some and self.taken + total > BYTES and (self.rows or len(some) > 1):
            total -= len(some.pop())
        if some:
            if not self.rows:
                self.first_seq = given.first_seq + start
            self.rows += some
            self.taken += total
            self.last_seq = given.first_seq + start + len(some) - 1
        return len(some)

    def take(self) -> PackedChunk:
        chunk = PackedChunk(self.first_seq, self.last_seq, len(self.rows), _pack_rows(self.rows), tuple(self.uploads))
        self.rows, self.uploads, self.taken = [], {}, 0
        return chunk


@dataclass(frozen=True, slots=True)
class Validators:
    """What a server says of the bytes it sent, for asking whether they are still the same (RFC 9110, section 8.8)."""

    etag: str | None = None
    modified: str | None = None


@dataclass(slots=True)  # nothing changes one, but one that is frozen takes four times as long to make
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
