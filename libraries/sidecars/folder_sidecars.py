"""Sidecars in folders on this machine, under the same guard as the photos."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from core.errors import ItemError
from core.folders.opening import file_etag, open_regular, opened_folder, read_descriptor
from core.folders.roots import FolderRoots
from core.settings import Settings
from core.shortage import is_shortage
from libraries.sidecars.drafts import new_draft, put_in_place, sweep
from libraries.sidecars.sidecar_names import draft_name, sidecar_names
from libraries.sidecars.sidecar_place import Stood, changed
from libraries.xmp.packet import MAX_BYTES, SidecarError

_CODES = {"fetch_too_large": "sidecar_too_large", "file_not_regular": "sidecar_not_regular"}


class FolderSidecars:
    """See SidecarPlace.

    Args:
        folder: of the library; absolute.
    """

    def __init__(self, roots: FolderRoots, settings: Settings, folder: str) -> None:
        self._roots = roots
        self._settings = settings
        self._folder = folder
        self._swept = ""  # photos come folder by folder

    def read(self, photo: str) -> Stood:
        """See SidecarPlace."""
        above, slash, name = photo.rpartition("/")
        with self._opened(above) as folder:
            for one in sidecar_names(name, self._settings):
                try:
                    descriptor = open_regular(folder, one)
                except FileNotFoundError:
                    continue
                try:
                    data, found = read_descriptor(descriptor, MAX_BYTES)
                finally:
                    os.close(descriptor)
                return Stood(above + slash + one, data, file_etag(found))
        return Stood(sidecar_names(photo, self._settings)[0], None, None)

    def write(self, photo: str, data: bytes, stood: Stood) -> str:
        """See SidecarPlace."""
        above, _, name = photo.rpartition("/")
        sidecar = stood.name.rpartition("/")[2]
        with self._opened(above) as folder:
            self._sweep(folder, above)
            like = _photo(folder, name)
            draft = draft_name(sidecar)
            with _unless_changed(), new_draft(folder, draft) as descriptor:
                _write_all(descriptor, data)
                before = _found(folder, sidecar)
                _resemble(descriptor, before or like, executable=before is not None)
                os.fsync(descriptor)
                _check_same(before, stood)
                put_in_place(folder, draft, sidecar, over=before is not None)
                return file_etag(os.fstat(descriptor))

    def remove(self, photo: str, stood: Stood) -> None:
        """See SidecarPlace."""
        sidecar = stood.name.rpartition("/")[2]
        with self._opened(photo.rpartition("/")[0]) as folder, _unless_changed():
            before = _found(folder, sidecar)
            _check_same(before, stood)
            if before is not None:
                os.unlink(sidecar, dir_fd=folder)
                os.fsync(folder)

    @contextmanager
    def _opened(self, below: str) -> Iterator[int]:
        """The folder that a photo lies in; the system's refusals as errors of its sidecar."""
        try:
            with opened_folder(self._roots, os.path.join(self._folder, below)) as folder:
                yield folder
        except ItemError as error:
            code = _CODES.get(error.code, error.code)
            raise SidecarError(code, f"the sidecar: {error.message}", permanent=error.permanent) from error
        except OSError as error:
            raise _refused(error) from error

    def _sweep(self, folder: int, path: str) -> None:
        if self._swept != f"/{path}":
            with suppress(OSError):
                sweep(folder)
            self._swept = f"/{path}"


def _photo(folder: int, name: str) -> os.stat_result:
    try:
        return os.stat(name, dir_fd=folder)
    except FileNotFoundError:
        raise SidecarError("file_not_found", "the photo is not there any more") from None


def _found(folder: int, name: str) -> os.stat_result | None:
    """What is there; a link or a folder of this name is not ours to write over."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise _not_regular()
    return found


def _not_regular() -> SidecarError:
    message = "what has the sidecar's name is a link, a folder, a pipe or a device, and is left alone"
    return SidecarError("sidecar_not_regular", message)


def _check_same(found: os.stat_result | None, stood: Stood) -> None:
    if (None if found is None else file_etag(found)) != stood.stamp:
        raise changed()


@contextmanager
def _unless_changed() -> Iterator[None]:
    """Another writer, or another file where there was none, is a change."""
    try:
        yield
    except (BlockingIOError, FileExistsError):
        raise changed() from None


def _write_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _resemble(descriptor: int, other: os.stat_result, *, executable: bool) -> None:
    """Let a file belong to whom another one does, and be read and written by the same, as far as we may say so."""
    with suppress(OSError):
        os.fchown(descriptor, other.st_uid, other.st_gid)
    with suppress(OSError):
        os.fchmod(descriptor, stat.S_IMODE(other.st_mode) & (0o777 if executable else 0o666))


def _refused(error: OSError) -> SidecarError:
    if error.errno == errno.ELOOP:
        return _not_regular()
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG):
        return SidecarError("sidecar_forbidden", f"no sidecar may be written or read there: {error.strerror}")
    message = "the worker's disk or memory is full" if is_shortage(error) else str(error.strerror)
    return SidecarError("sidecar_unavailable", f"the sidecar cannot be written or read: {message}", permanent=False)
