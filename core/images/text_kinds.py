"""What kind of text somebody sent in place of a photo: a web page, a drawing in SVG, JSON, or just text."""

from __future__ import annotations

import codecs
import re

HEAD = 4096  # bytes that are looked at
BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
PROLOGUE = re.compile(r"(?:\s+|<\?.*?\?>|<!--.*?-->|<!doctype(?!\s+html)[^>\[]*(?:\[.*?\]\s*)?>)+", re.S | re.I)
ELEMENT = re.compile(r"<!?([a-z][\w:.-]*)", re.I)
HTML = re.compile(r"<!doctype\s+html|<html[\s>]", re.I)
HTML_ELEMENT = re.compile(
    r"html|head|body|title|meta|link|script|style|noscript|base|div|p|a|b|h\d|center|font|table|span|pre|ul|img|br|form"
    r"|iframe|main|section",
    re.I,
)
JSON = re.compile(r"""\s*(?:\{\s*["}]|\[\s*(?:[\[\]{"\d-]|true|false|null))""")
BASE64 = re.compile(r"\s*(?:data:image/|/9j/|iVBORw0KGgo|R0lGOD|UklGR)")
ADDRESS = re.compile(r"\s*https?://", re.I)
LFS = "version https://git-lfs"

PICTURE = "send the picture itself, or its own address"
WEB_PAGE = f"This is a web page (HTML), not a photo; {PICTURE}."
OF_ELEMENT = {
    "svg": "This is a drawing (SVG), which is not read here; convert it to JPEG or PNG.",
    "xmpmeta": "This is a companion file (XMP), not a photo; send the photo that it goes with.",
    "RDF": "This is a companion file (XMP), not a photo; send the photo that it goes with.",
    "plist": "This is a property list, such as Apple's notes of edits (AAE), not a photo; send the photo itself.",
    "Error": f"This is the error message of a server (XML), not a photo; {PICTURE}.",
}


def name_text(data: bytes) -> str | None:
    """A sentence that says what a text is and what to send instead; None where the bytes are no text."""
    text = _text(data[:HEAD])
    if text is None:
        return None
    bare = PROLOGUE.sub("", text, count=1) if PROLOGUE.match(text) else text
    if found := ELEMENT.match(bare):
        return _name_markup(found[1], bare)
    if HTML.search(text):  # what a script complained of stands before the page
        return WEB_PAGE
    if JSON.match(text):
        return f"This is JSON, not a photo; {PICTURE}."
    if BASE64.match(text):
        return "This is a picture written as text (base64), not a photo; send the bytes that it stands for."
    if text.startswith(LFS):
        return "This is a pointer of Git LFS, not a photo; send the file that it stands for (git lfs pull)."
    if ADDRESS.match(text):
        return "This is a text with an address in it, not a photo; submit the address itself."
    return f"This is text, not a photo; {PICTURE}." if text.strip() else None


def _name_markup(element: str, text: str) -> str:
    name = element.rpartition(":")[2]
    if HTML.match(text) or HTML_ELEMENT.fullmatch(name):
        return WEB_PAGE
    return OF_ELEMENT.get(name, f"This is XML, not a photo; {PICTURE}.")


def _text(head: bytes) -> str | None:
    """The bytes as text: by their byte order mark, as UTF-8, or as Latin-1; None where control characters speak up."""
    for mark, encoding in BOMS:
        if head.startswith(mark):
            return head[len(mark) :].decode(encoding, "ignore")
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        text = head.decode("latin-1")
        if sum(map(str.isascii, text)) < 0.8 * len(text):
            return None
    return None if CONTROL.search(text) else text
