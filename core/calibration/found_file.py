"""The file in the data folder that keeps what was measured.

Several workers may share the folder: who writes holds the lock, and a file takes its predecessor's place whole.
Whatever else is found there (half a file, a pipe, numbers that nobody measured) is no reason to stop anything: it is
ignored, and the next measurement takes its place.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from core import strict_json
from core.artefacts.manifest import ModelId, Sha256

ROOM, FILE, LOCK = "calibration", "found.json", "lock"
LARGEST = 256 * 1024  # bytes
MOST = 64  # measurements that are kept, the newest
TRIES = 2  # measurements that ended with their process; there is no third
VariantName = Literal["f32", "bf16", "int8"]
Value = TypeVar("Value")
Rate = Annotated[float, Field(gt=0)]
Word = Annotated[str, StringConstraints(pattern=r"^[ -~]{0,200}$")]  # a terminal shows it


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Found(_Part):
    """What was found for one model on one machine; model, processor and time are there for people."""

    model: ModelId
    processor: Word
    variant: VariantName
    batch_size: int = Field(ge=1, le=1024)
    streams: int = Field(ge=1, le=1024)
    rates: dict[VariantName, float] = Field(description="Items a second of each variant, at one batch size.")
    seconds: float = Field(ge=0, description="What it took.")
    measured_at: Word


class FoundFile(_Part):
    """All that is kept, by `calibration_key`.

    Attributes:
        partial: rates of variants that were measured before the time ran out; the next start goes on from there.
        begun: measurements under way, and how often one was begun that never ended: a worker that dies of one must
            not die of it for ever. One that ends without a find takes its own beginning back, and no other's.
    """

    schema_version: Literal[1] = 1
    found: dict[Sha256, Found] = Field(default={}, max_length=MOST)
    partial: dict[Sha256, dict[VariantName, Rate]] = Field(default={}, max_length=MOST)
    begun: dict[Sha256, int] = Field(default={}, max_length=MOST)

    def begin(self, key: str) -> FoundFile:
        """As it stands while something is measured."""
        begun = {**self.begun, key: self.begun.get(key, 0) + 1}
        return self.model_copy(update={"begun": _newest(begun)})

    def go_on_from(self, key: str, rates: dict[str, float]) -> FoundFile:
        """As it stands with what was measured of variants till now; those that do not run are tried again."""
        known = {name: rate for name, rate in rates.items() if rate}
        partial = {**_without(self.partial, key), **({key: known} if known else {})}
        return self.model_copy(update={"partial": _newest(partial)})

    def end(self, key: str, found: Found) -> FoundFile:
        """As it stands when something was found."""
        kept = _newest({**_without(self.found, key), key: found})
        return FoundFile(found=kept, partial=_without(self.partial, key), begun=_without(self.begun, key))


def _without(entries: Mapping[str, Value], key: str) -> dict[str, Value]:
    return {other: entry for other, entry in entries.items() if other != key}


def _newest(entries: dict[str, Value]) -> dict[str, Value]:
    return dict(list(entries.items())[-MOST:])


class CalibrationRoom:
    """The folder of the file, in a data folder."""

    def __init__(self, data_dir: Path) -> None:
        self._data = data_dir
        self._folder = data_dir / ROOM
        self.file = self._folder / FILE

    def read(self) -> FoundFile:
        """What is kept; nothing where there is no file.

        Raises:
            ValueError: something else is there; the message says what.
            OSError: it cannot be read.
        """
        try:
            # Without waiting for whoever might write into a pipe, and only what lies here itself.
            descriptor = os.open(self.file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return FoundFile()
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise ValueError("it is no file")
        with open(descriptor, "rb") as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise ValueError("it is too large")
        try:
            return FoundFile.model_validate(strict_json.loads(data))
        except ValidationError as error:
            first = error.errors()[0]
            place = ascii("/".join(str(part) for part in first["loc"])[:100])
            raise ValueError(f"{first['msg']} at {place}") from None

    def read_or_nothing(self) -> tuple[FoundFile, str | None]:
        """What is kept, and why that is nothing where something unusable is there."""
        try:
            return self.read(), None
        except (OSError, ValueError) as error:
            return FoundFile(), str(error)

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Hold the lock for a block, if nobody else has it.

        Raises:
            OSError: nothing can be written here. The data folder itself is not made: a worker whose database and
                uploads are elsewhere may well have none.
        """
        if not self._data.is_dir():
            raise FileNotFoundError(f"{self._data} is no folder")
        self._folder.mkdir(exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._folder / LOCK, flags, 0o666)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)

    def write(self, kept: FoundFile) -> None:
        """Put a file in the place of the one that is there; the caller holds the lock.

        Raises:
            OSError: it cannot be written.
        """
        text = json.dumps(kept.model_dump(mode="json"), indent=1, allow_nan=False)
        descriptor, draft = tempfile.mkstemp(dir=self._folder, prefix=f"{FILE}.")
        try:
            os.fchmod(descriptor, 0o644)  # `tagline doctor` reads it, whoever asks
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            os.replace(draft, self.file)
        except BaseException:
            os.unlink(draft)
            raise
