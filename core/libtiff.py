"""Keep libtiff, which Pillow decodes TIFF with, from writing about damaged files to stderr."""

from __future__ import annotations

import ctypes
from pathlib import Path

import PIL


def silence_libtiff() -> bool:
    """Take away libtiff's message handlers, for the whole process; whether that worked.

    A stranger's file can make it write hundreds of lines, straight from C and past our logs. What matters comes
    back as an error code anyway. It works where Pillow brings its own libtiff, as its wheels for Linux and macOS do.
    """
    folder = Path(PIL.__file__).parent
    for path in sorted([*folder.parent.glob("pillow.libs/libtiff*"), *folder.glob(".dylibs/libtiff*")]):
        try:
            library = ctypes.CDLL(str(path))  # the copy that Pillow has loaded, not another
            for setter in (library.TIFFSetErrorHandler, library.TIFFSetWarningHandler):
                setter.restype, setter.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
                setter(None)
        except (OSError, AttributeError):
            return False
        return True
    return False
