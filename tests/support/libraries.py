"""A photo library in a test's own process: a folder, a worker's insides and a scheduler's, driven step by step."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from prometheus_client import CollectorRegistry

from core.artefacts.catalogue import Catalogue
from core.broker import Doorbell
from core.settings import Settings
from core.states import RunState
from db.engine import Database
from db.library_photos import PhotoFilter
from jobs.fields import read_fields
from libraries import changes, photos, runs
from libraries.advance import Advancer
from libraries.library_fields import CaptionEdit, LabelEdits, LibraryFields, LibraryPatch, RunFields
from libraries.manage import Surroundings, create_library, patch_library
from tests.support.artefacts import set_defaults, write_captioner, write_encoder
from tests.support.tagger import write_tagger, write_text_encoder
from tests.support.worker import run_chunk
from worker.chunk.context import WorkerContext
from worker.libraries.stages import run_stage
from worker.metrics import Metrics
from worker.process.lifetime import close_worker, open_worker

STEPS = 25  # a run that takes more goes round in circles


def write_models(folder: Path, *, captions: bool = False) -> Path:
    """Small artefacts that classify and tag, and that caption if asked to, as the defaults of a models folder."""
    write_encoder(folder)
    write_text_encoder(folder)
    write_tagger(folder)
    defaults = {"classify": "eye", "tag": "namer"}
    if captions:
        write_captioner(folder)
        defaults["caption"] = "teller"
    set_defaults(folder, **defaults)
    return folder


def write_photo(path: Path, seed: int) -> None:
    """A small photo, of other bytes for each seed; its time is one second per seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(pixels).save(path, "PNG")
    os.utime(path, ns=(10**18 + seed * 10**9,) * 2)


@dataclass
class Library:
    """A library of a tenant, and all that moves it."""

    settings: Settings
    database: Database
    worker: WorkerContext
    advancer: Advancer
    tenant: str
    id: str = ""

    def create(self, **fields: Any) -> str:
        """Make the library; `fields` as a request has them."""
        given = read_fields(LibraryFields, {"name": "mine", "tasks": ["tag"], **fields})
        with self.database.write() as session:
            self.id = create_library(session, self.tenant, given, self._around()).id
        return self.id

    def patch(self, **fields: Any) -> None:
        given = read_fields(LibraryPatch, fields)
        with self.database.write() as session:
            patch_library(session, self.tenant, self.id, given, self._around())

    def _around(self) -> Surroundings:
        return Surroundings(self.settings, self.advancer.catalogue, self.worker.models.names())

    def start(self, **fields: Any) -> str:
        """Start a run; its id."""
        with self.database.write() as session:
            return str(runs.start_run(session, self.tenant, self.id, read_fields(RunFields, fields))["id"])

    def step(self) -> None:
        """Let the scheduler, then the worker do what there is to do."""
        self.advancer.advance_all()
        while run_stage(self.worker):
            pass
        while run_chunk(self.worker, "image"):
            pass

    def finish(self, run_id: str) -> dict[str, Any]:
        """Step until a run is over; the run."""
        for _ in range(STEPS):
            self.step()
            run = self.read(run_id)
            if RunState(run["state"]).finished:
                return run
        raise AssertionError(f"the run does not end: {self.read(run_id)}")

    def run(self, **fields: Any) -> dict[str, Any]:
        """A run from its start to its end."""
        return self.finish(self.start(**fields))

    def read(self, run_id: str) -> dict[str, Any]:
        with self.database.read() as session:
            return runs.read_run(session, self.tenant, self.id, run_id)

    def undo(self, run_id: str) -> None:
        with self.database.write() as session:
            runs.undo_run(session, self.tenant, self.id, run_id)

    def photos(self, **wanted: Any) -> dict[str, dict[str, Any]]:
        """By key."""
        with self.database.read() as session:
            found = photos.list_photos(session, self.tenant, self.id, PhotoFilter(**wanted), limit=500)
        return {photo["key"]: photo for photo in found}

    def labels(self, key: str) -> list[str]:
        return [label["label"] for label in self.photos()[key]["labels"]]

    def edit(self, key: str, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> None:
        photo = self.photos()[key]["id"]
        with self.database.write() as session:
            edits = LabelEdits(add=list(add), remove=list(remove))
            photos.edit_labels(session, self.tenant, self.id, photo, edits)

    def caption(self, key: str, text: str | None) -> None:
        photo = self.photos()[key]["id"]
        with self.database.write() as session:
            photos.edit_caption(session, self.tenant, self.id, photo, CaptionEdit(text=text))

    def changes(self, run_id: str) -> dict[str, dict[str, Any]]:
        """By key."""
        with self.database.read() as session:
            found = changes.list_changes(session, self.tenant, self.id, run_id, limit=500)
        return {change["key"]: change for _, change in found}


@contextmanager
def library(settings: Settings, database: Database, tenant: str) -> Iterator[Library]:
    """Open what moves a library; it is still to be created."""
    doorbell = Doorbell(settings)
    worker = open_worker(settings, Metrics(CollectorRegistry()))
    advancer = Advancer(database, doorbell, settings, Catalogue(settings.models_dir))
    try:
        yield Library(settings, database, worker, advancer, tenant)
    finally:
        close_worker(worker)
        doorbell.close()
