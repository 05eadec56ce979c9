"""Which keys below a source are photos: by their names alone, the same for folders and buckets."""

from __future__ import annotations

from core.images.file_names import is_hidden, is_photo_name, is_programs_folder, is_system
from libraries.listing.entry import MAX_KEY_BYTES


def enters(folder: str) -> bool:
    """Whether photos are looked for in a folder of this name: not in hidden ones, in thumbnails and trash of systems,
    or in what belongs to a program."""
    return not (is_hidden(folder) or is_system(folder) or is_programs_folder(folder))


def takes(name: str) -> bool:
    """Whether a file of this name is a photo for a library."""
    return is_photo_name(name) and not is_hidden(name) and not is_system(name)


def takes_key(key: str) -> bool:
    """Whether an object of this key is; its slashes stand for folders."""
    *folders, name = key.split("/")
    return takes(name) and all(map(enters, folders)) and storable(key)


def is_sidecar_key(key: str) -> bool:
    """Whether an object of this key, below a source, is a sidecar of a photo there."""
    *folders, name = key.split("/")
    return name.lower().endswith(".xmp") and not is_hidden(name) and all(map(enters, folders)) and storable(key)


def storable(key: str) -> bool:
    """Whether a database can hold a key: UTF-8 without NUL, and not too long for an index."""
    try:
        return len(key.encode("utf-8")) <= MAX_KEY_BYTES and "\0" not in key
    except UnicodeEncodeError:
        return False
