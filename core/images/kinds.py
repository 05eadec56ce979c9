"""What a file is that is no photo we read: recognised by its first bytes, and named with advice for whoever sent it.

Signatures are those of the formats' own descriptions, as file(1) and the PRONOM registry collect them.
"""

from __future__ import annotations

import re

from core.images.formats import brands
from core.images.text_kinds import name_text

STILL = "This is {}, not a photo; send a still picture from it, as JPEG or PNG."
EXPORT = (
    "This is a camera raw file ({}), not a finished photo; send the JPEG that the camera or a converter makes of it."
)
CONVERT = "This is {}, which is not read here; convert it to JPEG or PNG."
PAGES = "This is {}, not a photo; send its pictures, as JPEG or PNG."
UNPACK = "This is {}, not a photo; unpack it, and send the photos in it one by one."
LEAVE_OUT = "This is {}, not a photo; leave it out."
ZEROS = "This is nothing but zero bytes, as a failed transfer leaves them; send the photo again."

# Advice, name, offset, and the bytes there. What might be taken for something else comes later.
SIGNATURES: tuple[tuple[str, str, int, tuple[bytes, ...]], ...] = (
    (STILL, "a video (Matroska or WebM)", 0, (b"\x1aE\xdf\xa3",)),
    (STILL, "a video (AVI)", 8, (b"AVI ",)),
    (STILL, "a video (MPEG)", 0, (b"\0\0\x01\xba", b"\0\0\x01\xb3")),
    (STILL, "a video (FLV)", 0, (b"FLV\x01",)),
    (STILL, "a video or sound recording (Windows Media)", 0, (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",)),
    (STILL, "a video (RealMedia)", 0, (b".RMF",)),
    (STILL, "a video (MXF)", 0, (b"\x06\x0e\x2b\x34",)),
    (STILL, "a video (Redcode)", 4, (b"RED1", b"RED2")),
    (STILL, "a video or sound recording (Ogg)", 0, (b"OggS",)),
    (STILL, "an animation (MNG)", 0, (b"\x8aMNG\r\n\x1a\n",)),
    (STILL, "a light field (Lytro)", 0, (b"\x89LFP\r\n\x1a\n",)),
    (EXPORT, "Fujifilm RAF", 0, (b"FUJIFILMCCD-RAW",)),
    (EXPORT, "Panasonic or Leica RW2", 0, (b"IIU\0",)),
    (EXPORT, "Olympus ORF", 0, (b"IIRO", b"IIRS", b"MMOR")),
    (EXPORT, "Sigma X3F", 0, (b"FOVb",)),
    (EXPORT, "Minolta MRW", 0, (b"\0MRM",)),
    (EXPORT, "Canon CRW", 6, (b"HEAPCCDR",)),
    (EXPORT, "ARRI", 0, (b"ARRI\x12\x34\x56\x78",)),
    (CONVERT, "a JPEG XL image", 0, (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")),
    (CONVERT, "a JPEG XR image", 0, (b"II\xbc",)),
    (CONVERT, "a JPEG XS image", 0, (b"\0\0\0\x0cJXS \r\n\x87\n", b"\xff\x10\xff\x50")),
    (CONVERT, "a Photoshop document (PSD)", 0, (b"8BPS",)),
    (CONVERT, "a GIMP document (XCF)", 0, (b"gimp xcf",)),
    (CONVERT, "an OpenEXR image", 0, (b"\x76\x2f\x31\x01",)),
    (CONVERT, "a Radiance HDR image", 0, (b"#?RADIANCE", b"#?RGBE")),
    (CONVERT, "a QOI image", 0, (b"qoif",)),
    (CONVERT, "a BPG image", 0, (b"BPG\xfb",)),
    (CONVERT, "a FLIF image", 0, (b"FLIF",)),
    (CONVERT, "a JNG image", 0, (b"\x8bJNG\r\n\x1a\n",)),
    (CONVERT, "an icon (ICNS)", 0, (b"icns",)),
    (CONVERT, "a texture (DDS)", 0, (b"DDS ",)),
    (CONVERT, "a texture (KTX)", 0, (b"\xabKTX ",)),
    (CONVERT, "a FITS image", 0, (b"SIMPLE  =",)),
    (CONVERT, "a DICOM image", 128, (b"DICM",)),
    (CONVERT, "a JBIG2 image", 0, (b"\x97JB2\r\n\x1a\n",)),
    (CONVERT, "a Sun raster image", 0, (b"\x59\xa6\x6a\x95",)),
    (CONVERT, "an SGI image", 0, (b"\x01\xda\0", b"\x01\xda\x01")),
    (CONVERT, "an IFF image", 8, (b"ILBM", b"PBM ")),
    (CONVERT, "an XPM image", 0, (b"/* XPM */",)),
    (CONVERT, "a drawing (WMF)", 0, (b"\xd7\xcd\xc6\x9a", b"\x01\0\x09\0\0\x03")),
    (CONVERT, "a drawing (EMF)", 40, (b" EMF",)),
    (CONVERT, "a TGA image", -18, (b"TRUEVISION-XFILE.\0",)),
    (PAGES, "a PDF document", 0, (b"%PDF-", b"\xef\xbb\xbf%PDF-")),
    (PAGES, "a PostScript document", 0, (b"%!PS", b"\xc5\xd0\xd3\xc6")),
    (PAGES, "a DjVu document", 0, (b"AT&TFORM",)),
    (PAGES, "an RTF document", 0, (b"{\\rtf",)),
    (UNPACK, "a ZIP archive, or a file in its form (.docx, .livp, ...)", 0, (b"PK\x03\x04", b"PK\x05\x06")),
    (UNPACK, "a RAR archive", 0, (b"Rar!\x1a\x07",)),
    (UNPACK, "a 7z archive", 0, (b"7z\xbc\xaf\x27\x1c",)),
    (UNPACK, "a compressed file (gzip)", 0, (b"\x1f\x8b",)),
    (UNPACK, "a compressed file (bzip2)", 0, (b"BZh",)),
    (UNPACK, "a compressed file (xz)", 0, (b"\xfd7zXZ\0",)),
    (UNPACK, "a compressed file (Zstandard)", 0, (b"\x28\xb5\x2f\xfd",)),
    (UNPACK, "a TAR archive", 257, (b"ustar",)),
    (UNPACK, "a CAB archive", 0, (b"MSCF",)),
    (LEAVE_OUT, "a companion file of macOS (AppleDouble, ._NAME)", 0, (b"\0\x05\x16\x07", b"\0\x05\x16\0")),
    (LEAVE_OUT, "a folder's settings (.DS_Store)", 0, (b"\0\0\0\x01Bud1",)),
    (LEAVE_OUT, "a document or a store of thumbnails (OLE)", 0, (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",)),
    (LEAVE_OUT, "a property list, as it stands for files still in the cloud", 0, (b"bplist00",)),
    (LEAVE_OUT, "a database (SQLite)", 0, (b"SQLite format 3\0",)),
    (LEAVE_OUT, "a shortcut (LNK)", 0, (b"L\0\0\0\x01\x14\x02\0",)),
    (LEAVE_OUT, "a sound recording (MP3)", 0, (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")),
    (LEAVE_OUT, "a sound recording (AAC)", 0, (b"\xff\xf1", b"\xff\xf9")),
    (LEAVE_OUT, "a sound recording (FLAC)", 0, (b"fLaC",)),
    (LEAVE_OUT, "a sound recording (WAV)", 8, (b"WAVE",)),
    (LEAVE_OUT, "a sound recording (AIFF)", 8, (b"AIFF", b"AIFC")),
    (LEAVE_OUT, "a sound recording (AMR)", 0, (b"#!AMR",)),
    (LEAVE_OUT, "a piece of music (MIDI)", 0, (b"MThd",)),
    (LEAVE_OUT, "a program", 0, (b"\x7fELF", b"MZ\x90\0")),
)
BOXES = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"moof", b"styp"}  # a QuickTime file may begin with them
NETPBM = re.compile(rb"P(?:[1-6](?:\s|#[^\n]*\n)+\d|[Ff]\r?\n\d|7\s+(?:#|WIDTH|HEIGHT|DEPTH|MAXVAL|TUPLTYPE))")
ICON = re.compile(rb"\0\0[\x01\x02]\0[^\0]", re.S)
PCX = re.compile(rb"\n[\0\x02-\x05]\x01[\x01\x02\x04\x08]")
TGA = re.compile(  # with no palette, or with one; 8 to 32 bits a pixel; two flags that are always unset
    rb".(?:\0[\x02\x03\x0a\x0b]\0{5}|\x01[\x01\x09]....[\x0f\x10\x18\x20]).{8}[\x08\x0f\x10\x18\x20][\0-\x3f]",
    re.S,
)


def name_kind(data: bytes) -> str | None:
    """A sentence that says what a file is and what to send instead; None where nobody knows."""
    for advice, name, offset, marks in SIGNATURES:
        start = offset if offset >= 0 else max(len(data) + offset, 0)
        if data.startswith(marks, start):
            return advice.format(name)
    if found := _name_video(data):
        return found
    if NETPBM.match(data):
        return CONVERT.format("a Netpbm image (PPM, PGM, ...)")
    if ICON.match(data):
        return CONVERT.format("an icon or cursor (ICO)")
    if PCX.match(data):
        return CONVERT.format("a PCX image")
    if not data.strip(b"\0"):
        return ZEROS
    return name_text(data) or (CONVERT.format("a TGA image") if TGA.match(data) else None)


def _name_video(data: bytes) -> str | None:
    """Films in boxes (MP4, QuickTime, and raw files in that form), and in packets of 188 bytes (MTS)."""
    if found := brands(data):
        major = found[0]
        if major == b"crx ":
            return EXPORT.format("Canon CR3")
        if major in (b"M4A ", b"M4B ", b"F4A "):
            return LEAVE_OUT.format("a sound recording (M4A)")
        kind = "QuickTime, as in live photos" if major == b"qt  " else "3GP" if major[:2] == b"3g" else "MP4"
        return STILL.format(f"a video ({kind})")
    if data[4:8] in BOXES:
        return STILL.format("a video (QuickTime or MP4)")
    for offset, step in ((0, 188), (4, 192)):  # behind a time stamp of 4 bytes on AVCHD cameras
        if len(data) > offset + 2 * step and all(data[offset + at * step] == 0x47 for at in range(3)):
            return STILL.format("a video (MPEG transport stream, MTS)")
    return None
