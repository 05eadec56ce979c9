"""Inputs that are files on the worker's machine, below the folders that the operator names."""

from __future__ import annotations

from core.folders.opening import read_file
from core.folders.roots import FolderRoots
from worker.sources.source import PooledSource, SourceContext

_THREADS = 8  # a network drive takes its time, and answers several at once


class FileSource(PooledSource):
    """Reads files below TAGLINE_FOLDERS. The path is judged here, whatever the API thought of it: links may have
    changed since, and the API may be a machine without these folders."""

    def __init__(self, context: SourceContext) -> None:
        super().__init__("file", _THREADS, context.settings.fetch_max_bytes)
        self._roots = FolderRoots.of(context.settings)
        self._max_bytes = context.settings.fetch_max_bytes

    def load(self, ref: str, tenant_id: str) -> bytes:
        """See PooledSource; raises as `core.folders.opening.read_file`."""
        data, _ = read_file(self._roots, ref, self._max_bytes)
        return data
