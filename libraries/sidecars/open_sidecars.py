"""From a library's source to the place of its sidecars."""

from __future__ import annotations

from collections.abc import Mapping

from core.folders.roots import FolderRoots
from core.outbound.s3.store import S3Store
from core.settings import Settings
from libraries.sidecars.folder_sidecars import FolderSidecars
from libraries.sidecars.s3_sidecars import S3Sidecars
from libraries.sidecars.sidecar_place import SidecarPlace


def open_sidecars(source: Mapping[str, str], settings: Settings) -> SidecarPlace:
    """Where the sidecars of a source are; nothing is asked yet.

    Raises:
        ValueError: it has none, since its photos lie on other people's servers.
        ItemError: `s3_uri_invalid`.
    """
    match dict(source):
        case {"folder": path}:
            return FolderSidecars(FolderRoots.of(settings), settings, path)
        case {"s3_prefix": prefix}:
            return S3Sidecars(S3Store(settings), settings, prefix)
    raise ValueError(f"a source without sidecars: {', '.join(source)}")
