"""Keep image libraries from writing about strangers' files to stderr; what matters comes back as an error."""

from __future__ import annotations

import ctypes
import logging
import warnings
from pathlib import Path

import PIL

MODULES = r"PIL\.|pillow_heif|core\.images\."


def silence_warnings() -> None:
    """Ignore Python warnings about images, even where warnings are errors.

    A filter for the whole process, put back whenever something removed it, since `warnings.catch_warnings` is not
    safe with threads.
    """
    if not any(getattr(rule[3], "pattern", None) == MODULES for rule in warnings.filters[:4]):
        warnings.filterwarnings("ignore", module=MODULES)


def silence_logs() -> None:
    """Ignore what Pillow logs about a file's oddities."""
    logging.getLogger("PIL").setLevel(logging.CRITICAL)


def silence_libtiff() -> bool:
    """Take away libtiff's message handlers, for the whole process; whether that worked.

    One file can make it write hundreds of lines, straight from C and past our logs. It works where Pillow brings
    its own libtiff, as its wheels for Linux and macOS do.
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
