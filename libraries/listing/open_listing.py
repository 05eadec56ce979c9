"""From a library's source, as it is stored, to its listing and to the inputs of its photos."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.folders.roots import FolderRoots
from core.outbound.http.client import HttpClient
from core.outbound.s3.store import S3Store
from core.settings import Settings
from libraries.listing.entry import Listing
from libraries.listing.folder import FolderListing
from libraries.listing.manifest_url import ManifestUrlListing
from libraries.listing.s3_prefix import S3PrefixListing


def open_listing(source: Mapping[str, str], settings: Settings, http: HttpClient) -> Listing:
    """The listing of a source: {"folder": PATH}, {"s3_prefix": URI} or {"manifest_url": URL}. Nothing is asked yet.

    Raises:
        ValueError: it is none of these.
    """
    match dict(source):
        case {"folder": path}:
            return FolderListing(FolderRoots.of(settings), path)
        case {"s3_prefix": prefix}:
            return S3PrefixListing(S3Store(settings), settings, prefix)
        case {"manifest_url": url}:
            return ManifestUrlListing(http, settings, url)
    raise ValueError(f"no source: {', '.join(source)}")


def input_of(source: Mapping[str, str], key: str, locator: Mapping[str, str] | None) -> tuple[str, str]:
    """Kind and reference of a photo as an input of a job.

    Args:
        key: of the photo, below the source.
        locator: of its entry; see `Entry`.

    Raises:
        ValueError: there is no locator, and none follows from the source.
    """
    if locator is not None:
        [(kind, ref)] = locator.items()
        return kind, ref
    match dict(source):
        case {"folder": path}:
            return "file", f"{path.rstrip('/')}/{key}"
        case {"s3_prefix": prefix}:
            return "s3", s3_uri(prefix, key)
    raise ValueError("this photo has no locator")


def locate(source: Mapping[str, Any], key: str, locator: Mapping[str, str] | None) -> tuple[Any, str]:
    """Kind and reference of a photo of a library; without a locator a manifest's key is its URL.

    Args:
        source: of the library, as it is stored.

    Raises:
        ValueError: as `input_of`.
    """
    if locator is None and ({"manifest", "manifest_url"} & source.keys()):
        return "url", key
    return input_of({kind: value for kind, value in source.items() if kind != "edition"}, key, locator)


def s3_uri(prefix: str, key: str) -> str:
    """The URI of the object with this key below a prefix."""
    return f"{prefix.lstrip(' ')}/{key}" if prefix.lstrip(" ").count("/") == 2 else f"{prefix.lstrip(' ')}{key}"
