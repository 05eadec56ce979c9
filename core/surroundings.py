"""What settings lead to: a folder that can be written, models that can be used, a runtime that is installed.

Looked at before a process starts its work, so that it says in one line what is wrong instead of failing at every job.
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from core.errors import ArtefactError
from core.settings import Settings
from core.settings_checks import SettingsError

Need = Literal["data", "database", "uploads", "models", "runtime"]
_RUNTIMES = {
    "auto": ("openvino", "tensorflow"),
    "openvino": ("openvino",),
    "tensorflow": ("tensorflow",),
    "onnx": ("onnxruntime",),
}


def check_surroundings(settings: Settings, needs: Collection[Need]) -> None:
    """Make sure that a process finds what it needs.

    Args:
        needs: "data": the data folder. "database" and "uploads": the data folder, unless they are elsewhere. "models":
            a usable model for every default. "runtime": what executes them.

    Raises:
        SettingsError: one line, with all that is wrong.
    """
    problems = []
    inside = {"database": not settings.database_url, "uploads": not settings.uploads_url, "data": True}
    if any(inside.get(need) for need in needs):
        problems.append(_data_problem(settings.data_dir))
    if "database" in needs or "data" in needs:
        problems.append(_sqlite_problem(settings.database_url))
    if "models" in needs:
        problems.append(_models_problem(settings.models_dir))
    elif "models_dir" in settings.model_fields_set:
        problems.append(_folder_problem(settings.models_dir))
    if "runtime" in needs:
        problems.append(_runtime_problem(settings.runtime))
    found = [problem for problem in problems if problem]
    if found:
        raise SettingsError("; ".join(found))


def _data_problem(folder: Path) -> str | None:
    """Why nothing can be written there, or where it would have to be made."""
    try:
        existing = next(path for path in (folder, *folder.parents) if path.exists())
    except OSError as error:
        why = error.strerror
    else:
        why = _why_not_writable(existing)
    return f"TAGLINE_DATA_DIR: {folder} cannot be written ({why}); write a folder that can" if why else None


def _sqlite_problem(database_url: str) -> str | None:
    if not database_url.startswith("sqlite"):
        return None
    folder = Path(database_url.partition(":///")[2].partition("?")[0]).parent
    why = _why_not_writable(folder)
    return (
        f"TAGLINE_DATABASE_URL: {folder} cannot be written ({why}); write a path in a folder that can" if why else None
    )


def _why_not_writable(folder: Path) -> str | None:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE):
            return None  # no fault of the setting, and it may pass
        return error.strerror or type(error).__name__


def _folder_problem(folder: Path) -> str | None:
    if folder.is_dir():
        return None
    return f"TAGLINE_MODELS_DIR: {folder} is no folder; write the one that holds the models and their defaults.json"


def _models_problem(folder: Path) -> str | None:
    """Why the models there cannot serve. Each is hashed, which takes a tenth of a second."""
    problem = _folder_problem(folder)
    if problem:
        return problem
    # NumPy and Pillow come with it: commands that only talk to a server need not wait for them.
    from core.artefacts.catalogue import Catalogue

    catalogue = Catalogue(folder)
    try:
        defaults = catalogue.defaults()
        if not defaults:
            return f"TAGLINE_MODELS_DIR: {folder} has no defaults.json that names a model; write another folder"
        for task in defaults:
            catalogue.candidates(task)
    except ArtefactError as error:
        what = " ".join(str(error).split())
        return f"TAGLINE_MODELS_DIR: {folder} cannot serve ({what}); install that model, or write another folder"
    return None


def _runtime_problem(runtime: str) -> str | None:
    if any(find_spec(name) for name in _RUNTIMES[runtime]):
        return None
    return f"TAGLINE_RUNTIME: {' and '.join(_RUNTIMES[runtime])} not installed; write auto, and install one of them"
