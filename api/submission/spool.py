"""Chunks on disk while a submission is being read, so that memory stays flat and no transaction is open meanwhile."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

from core.inputs import PackedChunk

_HEAD = struct.Struct("<qqqqq")
_BETWEEN = "\0"  # no id holds it: it could not be stored


class Spool:
    """A temporary file of packed chunks, written once and read once; removed at the end whatever happens."""

    def __init__(self, folder: Path) -> None:
        # Not /tmp, which is memory on many machines.
        self._file = tempfile.TemporaryFile(dir=folder if folder.is_dir() else None)  # noqa: SIM115
        self.items = 0
        self.prefixes = 0  # to be listed; what is below them is not among the items yet

    def fill(self, chunks: Iterable[PackedChunk]) -> None:
        """Write all chunks."""
        for chunk in chunks:
            uploads = _BETWEEN.join(chunk.uploads).encode()
            lengths = (len(chunk.blob), len(uploads))
            self._file.write(_HEAD.pack(chunk.first_seq, chunk.last_seq, chunk.size, *lengths))
            self._file.write(chunk.blob + uploads)
            self.items += chunk.size
            self.prefixes += not chunk.size

    def read(self) -> Iterator[PackedChunk]:
        """The chunks, in the order they were written."""
        self._file.seek(0)
        while head := self._file.read(_HEAD.size):
            first, last, size, length, names = _HEAD.unpack(head)
            blob, uploads = self._file.read(length), self._file.read(names).decode()
            yield PackedChunk(first, last, size, blob, tuple(uploads.split(_BETWEEN)) if uploads else ())

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
