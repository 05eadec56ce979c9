"""Model artefacts: a folder with a graph, its labels and a manifest that says what they are."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from core.errors import ArtefactError
from core.images.decode import ImageSpec
from core.texts.prepare import TextSpec

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
ModelId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}@\d{1,6}\.\d{1,6}\.\d{1,6}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TensorSpec(_Part):
    """The type and shape of a graph's input or output; None stands for the batch."""

    dtype: Literal["uint8", "int32", "int64", "float32"]
    shape: tuple[int | None, ...]


class Metric(_Part):
    """One measured or published number, where it comes from, and its 95 % confidence interval if it was measured."""

    name: str
    value: float
    source: str
    low: float | None = None
    high: float | None = None


class Variant(_Part):
    """The same network in fewer bits: a graph of its own, or the artefact's computed more coarsely.

    Its files are counted apart from the artefact's, which is whole without them; so is their check, see `check_files`.
    """

    name: Literal["bf16", "int8"]
    graph: FileName | None = Field(default=None, description="Its graph; None: the artefact's own.")
    compute: Literal["f32", "bf16"] = Field(default="f32", description="What floating-point numbers are computed in.")
    default_on: tuple[str, ...] = Field(
        default=(), description="It is the default on processors with one of these features."
    )
    metrics: tuple[Metric, ...] = Field(default=(), description="Its own, measured as those of the artefact.")
    files: dict[FileName, Sha256] = Field(default={}, description="Its files.")
    bytes: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _complete(self) -> Variant:
        if self.graph is not None and self.graph not in self.files:
            raise ValueError(f"{self.graph} is not among the files of {self.name}")
        return self


class Manifest(_Part):
    """What an artefact is; every field is described in models/README.md."""

    schema_version: Literal[1]
    name: Name
    version: Annotated[str, StringConstraints(pattern=r"^\d{1,6}\.\d{1,6}\.\d{1,6}$")]
    task: Name
    kind: Name
    summary: str
    graph: FileName
    labels: FileName | None = None
    preprocessing: ImageSpec | TextSpec = Field(discriminator="medium")
    inputs: dict[str, TensorSpec] = Field(min_length=1)
    outputs: dict[str, TensorSpec] = Field(min_length=1)
    encoders: dict[Literal["image", "text"], ModelId] = Field(
        {}, description="The encoders whose outputs this model reads."
    )
    settings: dict[str, Any] = Field({}, description="What only its kind understands.")
    metrics: tuple[Metric, ...]
    variants: tuple[Variant, ...] = Field((), description="Its graph in fewer bits, the one to be preferred first.")
    threshold: float | None = Field(None, ge=0, le=1, description="The second of two labels is given from here on.")
    licence: str
    source: str
    files: dict[FileName, Sha256]
    bytes: int = Field(ge=0)

    @property
    def id(self) -> str:
        """NAME@VERSION, as results show it."""
        return f"{self.name}@{self.version}"

    @property
    def medium(self) -> str:
        """What the model takes: "image" or "text"."""
        return self.preprocessing.medium

    @property
    def order(self) -> tuple[int, ...]:
        """The version as numbers, to be compared."""
        return tuple(int(part) for part in self.version.split("."))

    @model_validator(mode="after")
    def _complete(self) -> Manifest:
        for name in (self.graph, self.labels):
            if name is not None and name not in self.files:
                raise ValueError(f"{name} is not among the files")
        if len({variant.name for variant in self.variants}) != len(self.variants):
            raise ValueError("two variants have one name")
        return self


@dataclass(frozen=True, slots=True)
class Label:
    """One class: `key` identifies it in its vocabulary (a WordNet id such as n02123045), `name` is for people."""

    key: str
    name: str


def load_manifest(folder: Path, *, verify: bool = True) -> Manifest:
    """An artefact's manifest, checked against its files.

    Args:
        folder: the artefact.
        verify: also hash every file; without it only presence and total size are checked.

    Raises:
        ArtefactError: `manifest_missing`, `manifest_invalid`, `manifest_schema` (written by another version of
            Tagline), `file_missing`, `file_size` or `file_hash`.
    """
    manifest = _parse(folder)
    check_files(folder, manifest, verify=verify)
    return manifest


def check_files(folder: Path, part: Manifest | Variant, *, verify: bool = True) -> None:
    """Whether the files of an artefact, or of a variant of it, are what they should be.

    Raises:
        ArtefactError: `file_missing`, `file_size` or `file_hash`.
    """
    total = 0
    for name, expected in part.files.items():
        path = folder / name
        if not path.is_file():
            raise ArtefactError("file_missing", f"{folder.name}: {name} is missing; install the artefact again")
        total += path.stat().st_size
        if verify and _sha256(path) != expected:
            raise ArtefactError("file_hash", f"{folder.name}: {name} is damaged (hash); install the artefact again")
    if total != part.bytes:
        raise ArtefactError("file_size", f"{folder.name}: {total} bytes instead of {part.bytes}; install it again")


def read_labels(folder: Path, manifest: Manifest) -> tuple[Label, ...]:
    """The labels of an artefact, in the order of its scores; none where it has no list of them.

    The file is CSV with the header index,KEY,label, where KEY is the vocabulary's name for its ids.

    Raises:
        ArtefactError: `labels_invalid`.
    """
    if manifest.labels is None:
        return ()
    try:
        with (folder / manifest.labels).open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))[1:]
        labels = tuple(Label(key, name) for _, key, name in rows)
        if [int(row[0]) for row in rows] != list(range(len(rows))) or not labels:
            raise ValueError("the indices are not 0, 1, 2 ...")
    except (OSError, ValueError, csv.Error) as error:
        raise ArtefactError("labels_invalid", f"{manifest.id}: {manifest.labels} is unusable: {error}") from error
    return labels


def describe_files(folder: Path, names: list[str]) -> dict[str, Any]:
    """The `files` and `bytes` fields of a manifest, for whoever writes one."""
    return {
        "files": {name: _sha256(folder / name) for name in sorted(names)},
        "bytes": sum((folder / name).stat().st_size for name in names),
    }


def _parse(folder: Path) -> Manifest:
    try:
        raw = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtefactError("manifest_missing", f"{folder.name} has no {MANIFEST}: it is not an artefact") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ArtefactError("manifest_invalid", f"{folder.name}: {MANIFEST} cannot be read: {error}") from error
    if not isinstance(raw, dict):
        raise ArtefactError("manifest_invalid", f"{folder.name}: {MANIFEST} is not a JSON object")
    if raw.get("schema_version") != SCHEMA_VERSION:
        wanted = f"schema {raw.get('schema_version')!r}, this program reads {SCHEMA_VERSION}"
        raise ArtefactError("manifest_schema", f"{folder.name}: {MANIFEST} has {wanted}; export it again")
    try:
        return Manifest.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = "/".join(str(part) for part in first["loc"])
        raise ArtefactError("manifest_invalid", f"{folder.name}: {first['msg']} at /{where}") from None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def split_wanted(wanted: str) -> tuple[str, str | None]:
    """Name and version of "NAME" or "NAME@VERSION".

    Raises:
        ArtefactError: `model_unknown`, it is neither.
    """
    found = re.fullmatch(r"([a-z0-9][a-z0-9._-]{0,63})(?:@(\d+\.\d+\.\d+))?", wanted)
    if not found:
        raise ArtefactError("model_unknown", f"{wanted!r} is not NAME or NAME@VERSION")
    return found[1], found[2]
