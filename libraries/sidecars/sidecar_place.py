"""What a place for sidecars is, and bringing one up to date there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from libraries.xmp.packet import SidecarError
from libraries.xmp.sidecar_fields import Written
from libraries.xmp.sidecar_merge import Merged, Wanted, merge_sidecar

_TRIES = 3


@dataclass(frozen=True, slots=True)
class Stood:
    """A sidecar as it was read.

    Attributes:
        name: its key below the source.
        data: None: there is none.
        stamp: of equal ones the bytes are equal; as the listing tells it (`Entry.etag`). None: there is none.
    """

    name: str
    data: bytes | None
    stamp: str | None


class SidecarPlace(Protocol):
    """Sidecars of a source's photos, which are named by their keys below it. Used by one thread at a time.

    Every method raises SidecarError: `sidecar_forbidden`, `sidecar_unavailable`, `sidecar_too_large`,
    `sidecar_not_regular`, or what S3 says.
    """

    def read(self, photo: str) -> Stood:
        """The sidecar of a photo."""

    def write(self, photo: str, data: bytes, stood: Stood) -> str:
        """Put a sidecar in the place of the one that was read, and return its stamp. Whoever reads meanwhile, or after
        the writer was killed, finds the one or the other, whole. The photo is not touched.

        Raises:
            SidecarError: also `sidecar_changed`: another one is there by now; `file_not_found`: the photo is gone.
        """

    def remove(self, photo: str, stood: Stood) -> None:
        """Remove the sidecar that was read; raises as `write`."""


@dataclass(frozen=True, slots=True)
class Updated:
    """A sidecar that was brought up to date.

    Attributes:
        name: its key below the source.
        stamp: as it is now; None: there is none.
    """

    name: str
    stamp: str | None
    merged: Merged


def update_sidecar(
    place: SidecarPlace, photo: str, base: Written | None, wanted: Wanted, *, dry_run: bool = False
) -> Updated:
    """Bring a photo's sidecar up to date; see `merge_sidecar`. One that needs no change is not written.

    Args:
        photo: its key.
        dry_run: say what would come of it, and write nothing.

    Raises:
        SidecarError, RequestError: as `merge_sidecar` and `SidecarPlace`.
    """
    for left in reversed(range(_TRIES)):
        stood = place.read(photo)
        merged = merge_sidecar(stood.data, base, wanted)
        if dry_run or not merged.changed:
            return Updated(stood.name, stood.stamp, merged)
        try:
            return Updated(stood.name, place.write(photo, merged.data, stood), merged)
        except SidecarError as error:
            if error.code != "sidecar_changed" or not left:
                raise
    raise AssertionError("unreachable")


def changed() -> SidecarError:
    """The error of a sidecar that is not the one that was read."""
    message = "the sidecar was changed by another program again and again while it was to be written"
    return SidecarError("sidecar_changed", message, permanent=False)
