"""From the colours of an ICC profile to sRGB, judged by what the profile does and not by what it is called.

Profiles come from strangers, and a few of them in most photos: what one does is worked out once and kept.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections import OrderedDict
from typing import Literal

import numpy as np
from PIL import Image, ImageCms

MAX_PROFILE = 4 * 1024 * 1024  # bytes; printers' profiles reach 2 MB, larger ones are not worth reading
KEPT = 32  # transforms; one for CMYK may take half a megabyte
SPACES = {"RGB": "RGB", "CMYK": "CMYK", "GRAY": "L", "Lab": "LAB"}
CLASSES = {"mntr", "scnr", "prtr", "spac"}  # of devices and spaces; not links, effects or named colours
SAME = 2  # of 255: what differs by so little is rounding
FLAT = 48  # of 255: a profile that leaves less between black and white is broken
LEVELS = np.linspace(0, 255, 9).astype(np.uint8)

Transform = ImageCms.ImageCmsTransform | Literal["same", "unusable"]


class _Transforms:
    """Those used last, by profile and mode. Safe with threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[bytes, str], Transform] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, profile: bytes, mode: str) -> Transform:
        key = (hashlib.sha256(profile).digest(), mode)
        with self._lock:
            if found := self._kept.get(key):
                self._kept.move_to_end(key)
                return found
        made = _make(profile, mode)
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made


_transforms = _Transforms()


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image | None:
    """An image of mode L, RGB, CMYK or LAB in sRGB.

    None where the profile is sRGB in all but name, broken, huge, or for another kind of pixels. Grey pixels may have
    a profile for RGB.
    """
    if len(profile) > MAX_PROFILE:
        return None
    transform = _transforms.get(profile, image.mode)
    if transform == "unusable" and image.mode == "L":
        image = image.convert("RGB")
        transform = _transforms.get(profile, "RGB")
    return None if isinstance(transform, str) else _apply(transform, image)


def _apply(transform: ImageCms.ImageCmsTransform, image: Image.Image) -> Image.Image:
    converted = transform.apply(image)
    converted.info.pop("icc_profile", None)
    return converted


def _make(profile: bytes, mode: str) -> Transform:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if SPACES.get(source.profile.xcolor_space.strip()) != mode or source.profile.device_class not in CLASSES:
            return "unusable"
        target = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        return _judged(ImageCms.ImageCmsTransform(source, target, mode, "RGB"), mode)
    except (OSError, ValueError):  # a photo with a broken profile is still a photo
        return "unusable"


def _judged(transform: ImageCms.ImageCmsTransform, mode: str) -> Transform:
    """The transform, by what it makes of some colours."""
    if mode not in ("L", "RGB"):
        return transform
    grid = np.stack(np.meshgrid(LEVELS, LEVELS, LEVELS), -1).reshape(27, 27, 3)
    probe = Image.fromarray(grid if mode == "RGB" else np.arange(256, dtype=np.uint8)[None])
    before, after = (np.asarray(one.convert("RGB")).astype(int) for one in (probe, _apply(transform, probe)))
    if np.abs(after - before).max() <= SAME:
        return "same"
    return "unusable" if np.ptp(after.mean(-1)) < FLAT else transform
