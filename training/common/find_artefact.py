"""Find the artefacts that a run reads, or that another artefact stands on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from core.artefacts.catalogue import Catalogue
from core.artefacts.manifest import MANIFEST, Manifest, split_wanted
from core.errors import ArtefactError

SHIPPED = Path("models")


def encoder_folder(folder: Path, manifest: Manifest, medium: Literal["image", "text"] = "image") -> Path:
    """The folder of the encoder that an artefact stands on: beside it, or in models/.

    Args:
        folder: the artefact's.
        manifest: the artefact's; names the encoder and its version.
        medium: which of its encoders.

    Raises:
        ArtefactError: `encoder_missing`, it is in neither place.
    """
    wanted = manifest.encoders[medium]
    for place in (folder.parent, SHIPPED):
        for entry in Catalogue(place).entries():
            if entry.manifest and (entry.manifest.name, entry.manifest.version) == split_wanted(wanted):
                return entry.folder
    raise ArtefactError("encoder_missing", f"{manifest.id} stands on {wanted}, which is not beside it")


def artefact_folder(name: str, work: Path) -> Path:
    """The folder of an artefact that a run reads: in the work folder, in models/ beside all runs', or in models/.

    Args:
        name: the artefact's, in any version.
        work: the run's work folder.

    Raises:
        FileNotFoundError: it is in none of them.
    """
    for place in (work, work.parent.parent / "models", SHIPPED):
        if (place / name / MANIFEST).is_file():
            return place / name
    raise FileNotFoundError(f"there is no artefact {name} in {work} or models/; make it first, see training/README.md")
