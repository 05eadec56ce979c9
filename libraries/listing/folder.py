"""Listing a folder on this machine: every photo below it, in the order of the bytes of their paths.

That is the order in which S3 lists, too. A folder of a million files is read in several passes, each of which keeps
the next names only; of a tree, one folder is open at a time.
"""

from __future__ import annotations

import errno
import heapq
import os
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import quote_from_bytes, unquote_to_bytes

from core.errors import ItemError
from core.folders.opening import file_etag, opened_folder, opened_parent, step_down
from core.folders.roots import FolderRoots
from core.shortage import is_shortage, worker_resources
from libraries.listing.entry import PAGE, Entry, Page, SourceFailed
from libraries.listing.photo_keys import enters, is_sidecar_key, storable, takes

_PASS = 50_000  # names of one folder that are kept at a time
_DEEPEST = 200  # folders within folders; whoever has more has a loop of mounts
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)  # it was a folder a moment ago
_OF_FOLDERS = {"file_not_found": "folder_not_found", "file_unreadable": "folder_unreadable"}
_OF_FOLDERS_WORDS = {"folder_not_found": "there is no such folder"}


@dataclass(slots=True)
class _Level:
    """A folder that is being listed.

    Attributes:
        path: below the source, with a slash at its end; empty for the source itself.
        after: its names up to here are done with; those of folders have a slash at their end.
        names: the next ones, in order.
        last: there are none behind these.
    """

    path: bytes
    after: bytes = b""
    names: deque[bytes] = field(default_factory=deque)
    last: bool = False


class FolderListing:
    """See Listing. Photos are regular files with a photo's extension, and links to such below the roots.

    Skipped, and counted one each: other files; what is hidden (._photo.jpg, .thumbnails); folders of a NAS, a system or
    a program; links to folders, out of the roots, to nothing or in a circle; names that are not UTF-8. A folder that
    may not be read ends the listing: its photos are not gone.

    Args:
        folder: absolute; below one of the roots once links are resolved.
    """

    def __init__(self, roots: FolderRoots, folder: str, page: int = PAGE) -> None:
        self._roots = roots
        self._folder = folder
        self._page = page

    def pages(self, after: str = "") -> Iterator[Page]:
        """See Listing.

        Raises:
            SourceFailed: `folder_not_allowed`, `folder_unavailable`, `folder_not_found`, `folder_unreadable`, or
                `worker_resources`.
        """
        try:
            with opened_folder(self._roots, self._folder) as source, _OneFolder(source) as opened:
                yield from self._pages(opened, unquote_to_bytes(after))
        except ItemError as error:
            code = _OF_FOLDERS.get(error.code, error.code)
            raise SourceFailed(code, _OF_FOLDERS_WORDS.get(code, error.message), permanent=error.permanent) from error
        except OSError as error:
            raise _failed(error) from error

    def _pages(self, opened: _OneFolder, after: bytes) -> Iterator[Page]:
        page = Page(position=quote_from_bytes(after))
        for path, entry in self._walk(opened, after):
            page.position = quote_from_bytes(path)
            photo = entry is not None and not is_sidecar_key(entry.key)
            page.skipped += not photo
            if entry is not None:
                (page.entries if photo else page.sidecars).append(entry)
            if len(page.entries) + page.skipped >= self._page:
                yield page
                page = Page(position=page.position)
        yield page

    def _walk(self, opened: _OneFolder, after: bytes) -> Iterator[tuple[bytes, Entry | None]]:
        """Paths in order, with the photo or the sidecar that is there; None if it is neither."""
        levels = _resumed(after)
        while levels:
            here = levels[-1]
            if not here.names and (here.last or not _read_names(opened, here)):
                levels.pop()
                continue
            name = here.after = here.names.popleft()
            if name.endswith(b"/") and enters(os.fsdecode(name[:-1])):
                levels.append(_Level(here.path + name))
                if len(levels) > _DEEPEST:
                    raise SourceFailed("folder_unreadable", f"there are more than {_DEEPEST} folders within each other")
            else:
                yield here.path + name, None if name.endswith(b"/") else self._entry(opened, here.path, name)

    def _entry(self, opened: _OneFolder, folder: bytes, name: bytes) -> Entry | None:
        """The photo or the sidecar of this name; None if it is neither."""
        key = os.fsdecode(folder + name)
        if not ((takes(os.fsdecode(name)) and storable(key)) or is_sidecar_key(key)):
            return None
        descriptor = opened.at(folder)
        try:
            found = os.stat(name, dir_fd=descriptor, follow_symlinks=False) if descriptor is not None else None
        except FileNotFoundError:  # removed since its folder was read
            found = None
        if found is not None and stat.S_ISLNK(found.st_mode):
            found = self._behind(key)
        if found is None or not stat.S_ISREG(found.st_mode):
            return None
        return Entry(key, found.st_size, found.st_mtime_ns // 1000, file_etag(found))

    def _behind(self, key: str) -> os.stat_result | None:
        """What a link leads to, if that lies below the roots."""
        try:
            with opened_parent(self._roots, os.path.join(self._folder, key)) as (parent, name):
                return os.stat(name, dir_fd=parent, follow_symlinks=False)
        except (ItemError, FileNotFoundError):
            return None


class _OneFolder:
    """The folders below a source, of which one is open at a time, however deep the tree and however many wait."""

    def __init__(self, source: int) -> None:
        self._source = source
        self._path: bytes | None = None
        self._descriptor: int | None = None

    def at(self, path: bytes) -> int | None:
        """A descriptor of the folder with this path, good until the next call; None if it is not there any more.

        Raises:
            OSError: it cannot be opened.
        """
        if path != self._path:
            self._close()
            try:
                self._descriptor = step_down(self._source, path.split(b"/")[:-1])
            except OSError as error:
                if error.errno not in _GONE:
                    raise
            self._path = path
        return self._descriptor

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._path = self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()


def _read_names(opened: _OneFolder, here: _Level) -> bool:
    """Read the next names of a folder; False if there are none."""
    descriptor = opened.at(here.path)
    if descriptor is None:
        return False
    with os.scandir(descriptor) as found:
        named = (os.fsencode(one.name) + b"/" * one.is_dir(follow_symlinks=False) for one in found)
        here.names.extend(heapq.nsmallest(_PASS, (name for name in named if name > here.after)))
    here.last = len(here.names) < _PASS
    return bool(here.names)


def _resumed(after: bytes) -> list[_Level]:
    """The folders that were open when a listing was at this path."""
    parts = after.removesuffix(b"/").split(b"/")
    levels = [_Level(b"")]
    for number, part in enumerate(parts, 1):
        inner = number < len(parts)
        levels[-1].after = part + b"/" * (inner or after.endswith(b"/"))
        if inner:
            levels.append(_Level(levels[-1].path + part + b"/"))
    return levels


def _failed(error: OSError) -> SourceFailed:
    if is_shortage(error):
        short = worker_resources()
        return SourceFailed(short.code, short.message, permanent=False)
    forbidden = error.errno in (errno.EACCES, errno.EPERM)
    message = f"a folder below the source cannot be read: {error.strerror}"
    return SourceFailed("folder_unreadable", message, permanent=forbidden)
