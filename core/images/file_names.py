"""Which files are photos by their names, and which files and folders are a system's or a program's own."""

from __future__ import annotations

import os

# What this room reads, by the names that such files have.
PHOTOS = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
        *(".png", ".apng", ".webp", ".gif", ".bmp", ".tif", ".tiff"),
        *(".heic", ".heics", ".heif", ".heifs", ".hif", ".avif", ".avifs"),
        *(".jp2", ".j2k", ".jpc", ".jpf", ".jpx", ".j2c"),
    )
)
# Made by systems, not by people: Synology, QNAP, Windows, macOS, Linux. Names are compared in lower case; those that
# begin with a dot (.@__thumb, .thumbnails, .Trash-1000, ._photo.jpg, .DS_Store, .AppleDouble) are hidden anyway.
SYSTEM = frozenset(
    (
        *("@eadir", "@recycle", "@recently-snapshot", "@sharebin", "@tmp", "@sharesnap", "@snapshot", "@__thumb"),
        *("#recycle", "#snapshot", "#sharesnap", "$recycle.bin", "recycler", "recycled", "system volume information"),
        *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "lost+found", "__macosx"),
        *("network trash folder", "temporary items", "thevolumesettingsfolder", "icon\r"),
    )
)
# Folders that programs keep: catalogues, previews, libraries whose files only their program may touch.
_PROGRAMS = (
    *(".photoslibrary", ".photolibrary", ".migratedphotolibrary", ".aplibrary", ".lrdata", ".lrcat-data", ".lrlibrary"),
    *(".cocatalog", ".app", ".bundle"),
)


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is hidden."""
    return name.startswith(".")


def is_system(name: str) -> bool:
    """Whether an operating system or a NAS makes files and folders of this name."""
    return name.lower() in SYSTEM


def is_photo_name(name: str) -> bool:
    """Whether a file of this name is, by its extension, a photo that can be read."""
    return os.path.splitext(name)[1].lower() in PHOTOS


def is_programs_folder(name: str) -> bool:
    """Whether a folder of this name belongs to a program (Apple Photos, Lightroom, Capture One), which hides what is in
    it and would take files put there for damage."""
    return name.lower().endswith(_PROGRAMS)
