"""What listing a source gives, whatever the source: pages of photos, and a place to go on from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from core.errors import TaglineError

MAX_KEY_BYTES = 2000  # in UTF-8; what an index of every database takes
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """A photo of a source, as its listing tells of it.

    Attributes:
        key: its name below the source, unique there.
        size: in bytes, where the source says so.
        mtime: when it was last changed, in microseconds since 1970-01-01 UTC, where the source says so.
        etag: of equal ones the bytes are equal, as far as the source knows; None where it does not say.
        locator: kind and reference of the input, {"url": ...}; None where they follow from the source and the key.
    """

    key: str
    size: int | None = None
    mtime: int | None = None
    etag: str | None = None
    locator: Mapping[str, str] | None = None


@dataclass(slots=True)
class Page:
    """Some photos of a source, in its order.

    Attributes:
        skipped: what else was met: no photos, or twice the same.
        sidecars: of what was skipped, the XMP files; their etags say whether they are as they were.
        position: where to go on after this page; printable, and meaningful to the same kind of listing alone.
    """

    entries: list[Entry] = field(default_factory=list)
    skipped: int = 0
    sidecars: list[Entry] = field(default_factory=list)
    position: str = ""


class Listing(Protocol):
    """A source that can be listed. Its order is stable, so that a listing that was broken off can be gone on with."""

    def pages(self, after: str = "") -> Iterator[Page]:
        """What lies behind a position, page by page; of a million photos no more than a page is in memory.

        Args:
            after: the position of an earlier page; "" is the beginning.

        Raises:
            SourceFailed: it cannot be listed to its end; what was given so far is not all there is.
        """


class SourceFailed(TaglineError):
    """A source could not be listed to its end, so nothing may be concluded from what it did not show.

    `permanent` says whether trying again a moment later is pointless.
    """

    def __init__(self, code: str, message: str, *, permanent: bool = True) -> None:
        super().__init__(code, message)
        self.permanent = permanent
