"""Which files below a folder are photos, and what is left out and why.

Folders of photos hold other files too: thumbnails of a NAS, files of the Finder and of Windows, videos, sidecars,
icons. Leaving these out is no failure; a photo that cannot be read is one.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.images.file_names import PHOTOS, is_hidden, is_system

HIDDEN_WHY = "hidden"
SYSTEM_WHY = "thumbnails, trash and notes of a system"
KIND_WHY = "not photos that the service reads"
SPECIAL_WHY = "pipes, sockets and devices"
LINK_WHY = "links to folders, which are not followed"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file or folder that is not sent.

    Attributes:
        path: of it.
        why: the reason, in words.
        lost: it is, or may hold, a photo that should have been sent.
    """

    path: Path
    why: str
    lost: bool = False


def photos_below(folder: Path) -> Iterator[Path | LeftOut]:
    """Every photo in a folder and its subfolders, by name, and what is left out.

    The folder itself may have any name. Links to files are followed; links to folders are not: they may lead in a
    circle, or to what nobody meant to send.
    """
    waiting: list[Path] = [folder]
    while waiting:
        here = waiting.pop()
        if here is not folder and not _is_folder(here):
            yield _photo_or_why(here)
            continue
        try:
            names = sorted(os.listdir(here))
        except OSError as error:
            yield LeftOut(here, f"cannot be opened: {error.strerror}", lost=True)
            continue
        for name in names:
            if is_hidden(name):
                yield LeftOut(here / name, HIDDEN_WHY)
            elif is_system(name):
                yield LeftOut(here / name, SYSTEM_WHY)
        shown = [name for name in names if not is_hidden(name) and not is_system(name)]
        waiting += [here / name for name in reversed(shown)]


def why_unreadable(path: Path) -> LeftOut | None:
    """What is wrong with what should be a photo, judged without opening it; None if it is a file."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        why = "a link to nothing" if isinstance(error, FileNotFoundError) and path.is_symlink() else error.strerror
        return LeftOut(path, f"cannot be read: {why}", lost=True)
    if stat.S_ISREG(mode):
        return None
    return LeftOut(path, LINK_WHY if stat.S_ISDIR(mode) else SPECIAL_WHY)


def _photo_or_why(path: Path) -> Path | LeftOut:
    if path.suffix.lower() not in PHOTOS:
        return LeftOut(path, LINK_WHY if os.path.isdir(path) else KIND_WHY)
    return why_unreadable(path) or path


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False  # `why_unreadable` says why
