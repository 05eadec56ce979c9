"""A sidecar's bytes as UTF-8 without mark, and back into the coding that they came in."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from core.errors import TaglineError

MAX_BYTES = 32 * 1024 * 1024  # a photo's develop settings with all their masks are some MB
_MARKS = (  # the longer first: that of UTF-16 LE begins the one of UTF-32 LE
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_UNMARKED = ((b"<\0\0\0", "utf-32-le"), (b"\0\0\0<", "utf-32-be"), (b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"))
_DECLARED = re.compile(rb"""\s*<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_CODECS = {  # what is not among the first three is no XMP, but is written
    **dict.fromkeys(("utf-8", "utf8", "us-ascii", "ascii"), "utf-8"),
    **dict.fromkeys(("iso-8859-1", "latin1", "latin-1"), "latin-1"),
    "windows-1252": "cp1252",
}


class SidecarError(TaglineError):
    """A sidecar cannot be read or written. Nothing of it was changed.

    `permanent` says whether trying again is pointless while it stands there as it is.
    """

    def __init__(self, code: str, message: str, *, permanent: bool = True) -> None:
        super().__init__(code, message)
        self.permanent = permanent


@dataclass(frozen=True, slots=True)
class Packet:
    """A sidecar's XML.

    Attributes:
        xml: in UTF-8, whatever it declares itself to be.
        codec: what it came in.
        mark: the byte order mark that it began with.
    """

    xml: bytes
    codec: str = "utf-8"
    mark: bytes = b""

    def encoded(self, xml: bytes) -> bytes:
        """Other XML in the same coding; a sign that it does not have becomes a character reference."""
        if self.codec == "utf-8":
            return self.mark + xml
        return self.mark + xml.decode("utf-8").encode(self.codec, "xmlcharrefreplace")


def open_packet(data: bytes) -> Packet:
    """A sidecar's XML, whichever of XML's codings it is in.

    Raises:
        SidecarError: `sidecar_too_large`, `sidecar_broken`.
    """
    if len(data) > MAX_BYTES:
        raise SidecarError("sidecar_too_large", f"the sidecar has {len(data)} bytes; {MAX_BYTES} are read")
    mark, codec = next(((mark, codec) for mark, codec in _MARKS if data.startswith(mark)), (b"", ""))
    if not codec:
        codec = next((codec for start, codec in _UNMARKED if data.startswith(start)), "") or _declared(data)
    try:
        text = data[len(mark) :].decode(codec)
        return Packet(text.encode("utf-8"), codec, mark)
    except UnicodeError as error:
        raise broken(f"it is not {codec.upper()}") from error


def broken(why: str) -> SidecarError:
    """The error of a sidecar that is no XMP."""
    return SidecarError("sidecar_broken", f"the sidecar cannot be read: {why}")


def _declared(data: bytes) -> str:
    match = _DECLARED.match(data[:200])
    name = match[1].decode("ascii").lower() if match else "utf-8"
    if name not in _CODECS:
        raise broken(f"it is in {name[:30]}")
    return _CODECS[name]
