"""Which artefacts are installed, and which of them a request means."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.artefacts.manifest import MANIFEST, Manifest, load_manifest, split_wanted
from core.artefacts.recent import Recent
from core.errors import ArtefactError

DEFAULTS = "defaults.json"


@dataclass(frozen=True, slots=True)
class Installed:
    """One folder of the models directory: a usable artefact, or why it is not."""

    folder: Path
    manifest: Manifest | None
    error: ArtefactError | None


class Catalogue:
    """The artefacts of a models directory; safe to share between threads.

    An artefact can be installed while the service runs. One that was found whole is hashed again only when its
    manifest changes.

    Args:
        max_age_s: for so long what was found on the disk is taken for what is there; 0: look each time.
    """

    def __init__(self, models_dir: Path, *, max_age_s: float = 0.0) -> None:
        self._dir = models_dir
        self._seen: dict[Path, tuple[tuple[int, int], Manifest]] = {}
        self._entries = Recent(self._list, max_age_s)
        self._defaults = Recent(self._read_defaults, max_age_s)

    def entries(self) -> list[Installed]:
        """Every artefact by name, newest version first; broken ones last, each with its reason. Never raises."""
        return list(self._entries())

    def _list(self) -> list[Installed]:
        try:
            folders = sorted(path for path in self._dir.iterdir() if (path / MANIFEST).is_file())
        except OSError:
            return []
        found = [self._inspect(folder) for folder in folders]
        usable = sorted((entry for entry in found if entry.manifest), key=_order)
        return usable + [entry for entry in found if not entry.manifest]

    def defaults(self) -> dict[str, str]:
        """The artefact used for each task unless a request names another, as defaults.json has it.

        Raises:
            ArtefactError: `defaults_invalid`.
        """
        return dict(self._defaults())

    def _read_defaults(self) -> dict[str, str]:
        try:
            raw = json.loads((self._dir / DEFAULTS).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise ArtefactError("defaults_invalid", f"{DEFAULTS} cannot be read: {error}") from error
        if not isinstance(raw, dict) or not all(isinstance(value, str) for value in raw.values()):
            raise ArtefactError("defaults_invalid", f"{DEFAULTS} must map each task to NAME or NAME@VERSION")
        return raw

    def resolve(self, task: str, wanted: str | None = None, warm: Sequence[str] = ()) -> Installed:
        """The artefact that a request means.

        Args:
            task: the task it shall do.
            wanted: "NAME" (its newest usable version), "NAME@VERSION", or None for the task's default.
            warm: NAME@VERSION of models that have proved themselves, those that serve as defaults first. Where several
                versions are usable, the newest of these is meant, and one that nobody has run yet only if there is
                none. A default that nobody has run, or that is broken, does not replace the one that serves.

        Returns:
            An entry whose `manifest` is not None.

        Raises:
            ArtefactError: as `candidates`.
        """
        serving = self._serving(task, warm) if wanted is None else None
        try:
            found = self.candidates(task, wanted)
        except ArtefactError as error:
            if serving is None or error.code == "model_default_missing":
                raise
            return serving
        proven = (entry for entry in found if entry.manifest and entry.manifest.id in warm)
        return next(proven, serving or found[0])

    def _serving(self, task: str, warm: Sequence[str]) -> Installed | None:
        """The model that does a task now, whatever the defaults say: the first warm one that is still installed."""
        able = {e.manifest.id: e for e in self.entries() if e.manifest and e.manifest.task == task}
        return next((able[model_id] for model_id in warm if model_id in able), None)

    def candidates(self, task: str, wanted: str | None = None) -> list[Installed]:
        """The artefacts that a request could mean, newest version first; at least one.

        Raises:
            ArtefactError: `model_default_missing`, `model_unknown`, `model_wrong_task`, or why the one
                meant is broken.
        """
        wanted = wanted or self.defaults().get(task)
        if wanted is None:
            raise ArtefactError("model_default_missing", f"no model is set for {task!r} in {DEFAULTS}")
        name, version = split_wanted(wanted)
        entries = self.entries()
        named = [e for e in entries if e.manifest and e.manifest.name == name]
        matching = [e for e in named if e.manifest and version in (None, e.manifest.version)]
        if not matching:
            raise self._absent(wanted, name, entries)
        found = [entry for entry in matching if entry.manifest and entry.manifest.task == task]
        if not found:
            raise ArtefactError("model_wrong_task", f"{wanted} does not do {task!r}")
        return found

    def find(self, wanted: str) -> Installed:
        """The artefact NAME@VERSION, or the newest of NAME, whatever it does.

        Returns:
            An entry whose `manifest` is not None.

        Raises:
            ArtefactError: `model_unknown`, or why the one meant is broken.
        """
        entries = self.entries()
        for entry in entries:
            if entry.manifest and wanted in (entry.manifest.name, entry.manifest.id):
                return entry
        raise self._absent(wanted, split_wanted(wanted)[0], entries)

    def _inspect(self, folder: Path) -> Installed:
        try:
            stat = (folder / MANIFEST).stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
            known = self._seen.get(folder)
            if known and known[0] == stamp:
                return Installed(folder, known[1], None)
            manifest = load_manifest(folder)
        except ArtefactError as error:
            return Installed(folder, None, error)
        except OSError as error:
            return Installed(folder, None, ArtefactError("file_unreadable", f"{folder.name}: {error.strerror}"))
        self._seen[folder] = (stamp, manifest)
        return Installed(folder, manifest, None)

    def _absent(self, wanted: str, name: str, entries: list[Installed]) -> ArtefactError:
        """Why nothing usable has the name: a broken folder of that name explains itself."""
        for entry in entries:
            if entry.error and entry.folder.name.split("@")[0] == name:
                return entry.error
        known = ", ".join(entry.manifest.id for entry in entries if entry.manifest) or "none"
        return ArtefactError("model_unknown", f"no model {wanted} is installed; installed: {known}")


def _order(entry: Installed) -> tuple[str, tuple[int, ...]]:
    assert entry.manifest is not None
    return entry.manifest.name, tuple(-part for part in entry.manifest.order)
