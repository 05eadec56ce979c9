"""Chunks on disk while a submission is being read, so that memory stays flat and no transaction is open meanwhile."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

from core.inputs import PackedChunk

_HEAD = struct.Struct("<qqqq")


class Spool:
    """A temporary file of packed chunks, written once and read once; removed at the end whatever happens."""

    def __init__(self, folder: Path) -> None:
        # Not /tmp, which is memory on many machines.
        self._file = tempfile.TemporaryFile(dir=folder if folder.is_dir() else None)  # noqa: SIM115
        self.items = 0

    def fill(self, chunks: Iterable[PackedChunk]) -> None:
        """Write all chunks."""
        for chunk in chunks:
            self._file.write(_HEAD.pack(chunk.first_seq, chunk.last_seq, chunk.size, len(chunk.blob)))
            self._file.write(chunk.blob)
            self.items += chunk.size

    def read(self) -> Iterator[PackedChunk]:
        """The chunks, in the order they were written."""
        self._file.seek(0)
        while head := self._file.read(_HEAD.size):
            first, last, size, length = _HEAD.unpack(head)
            yield PackedChunk(first, last, size, self._file.read(length))

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
