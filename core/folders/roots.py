"""Which paths lie below the folders that TAGLINE_FOLDERS names, once every symbolic link is resolved."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

from core.errors import ItemError
from core.settings import Settings

MAX_PATH = 4096  # of Linux itself, in bytes


@dataclass(frozen=True, slots=True)
class Place:
    """A path without links, as the root that it lies below and the names that lead from there to it."""

    root: str
    names: tuple[str, ...]

    @property
    def path(self) -> str:
        return os.path.join(self.root, *self.names)


class FolderRoots:
    """The folders that photos may be read from; may be used from many threads.

    All tenants share them, as they share the credentials for S3. Nothing is cached: a disk may be mounted, and a link
    changed, at any time.

    Args:
        folders: absolute paths, which need not exist.
        closed: folders below which nothing is read, wherever the roots are.
    """

    def __init__(self, folders: Iterable[str], closed: Iterable[str] = ()) -> None:
        self._folders = tuple(folders)
        self._closed = tuple(closed)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those of the settings; without uploads, which belong to their tenants and are named by their ids alone."""
        return cls(settings.folders, (str(settings.data_dir / "uploads"),))

    def locate(self, path: str) -> Place:
        """Where a path leads. What does not exist, or not on this machine, is judged by its name.

        Raises:
            ItemError: `folder_not_allowed`; permanent.
        """
        _check_form(path)
        real = os.path.realpath(path)
        if any(_names_below(real, os.path.realpath(folder)) is not None for folder in self._closed):
            raise not_allowed()
        for folder in self._folders:
            root = os.path.realpath(folder)
            names = _names_below(real, root)
            if names is not None:
                return Place(root, names)
        raise not_allowed()

    def in_a_row(self) -> Callable[[str], None]:
        """A function that refuses what `locate` does, for a long list: the folder of a path is resolved once while its
        neighbours in the list lie in it, too."""
        known = ""

        def check(path: str) -> None:
            nonlocal known
            folder, _, name = path.rpartition("/")
            usual = "\0" not in path and name not in ("", ".", "..")
            if not (folder and usual and folder == known and not os.path.islink(path)):
                self.locate(path)
                known = folder if usual and not os.path.islink(path) else ""

        return check


def not_allowed() -> ItemError:
    """The error of a path outside. It does not tell where the roots are, nor whether there is anything at the path."""
    message = "this path does not lie below a folder that photos may be read from (TAGLINE_FOLDERS)"
    return ItemError("folder_not_allowed", message)


def _check_form(path: str) -> None:
    """Refuse what no root could hold. `..` is refused as it stands: behind a link it would lead to another place than
    the text says."""
    try:
        size = len(os.fsencode(path))
    except UnicodeEncodeError:
        raise not_allowed() from None
    if not path.startswith("/") or "\0" in path or size > MAX_PATH or ".." in path.split("/"):
        raise not_allowed()


def _names_below(path: str, root: str) -> tuple[str, ...] | None:
    """The names from `root` to `path`, both without links; empty if they are the same, None if it is not below."""
    if path == root:
        return ()
    start = root.rstrip("/") + "/"
    return tuple(path[len(start) :].split("/")) if path.startswith(start) else None
