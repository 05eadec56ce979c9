"""Labels anew for a library from its embeddings, against running its photos, on the shipped models.

    python -m bench.library_relabel --photos 100000 --run 300

Running is measured by a run of a folder of photos through a worker in this process (fetching, decoding, encoder,
tagger, storing); relabelling by a run over embedded photos that were never there, with the vocabulary of 2,064 labels.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from prometheus_client import CollectorRegistry
from sqlalchemy import insert, literal, select

from bench.library_rows import TAGGER, add_outputs, add_photos, begin_run, make_library, open_database
from bench.photos import make_photos
from core.settings import load_settings
from core.states import RunStage
from db.engine import Database
from db.library_tables import LibraryChange, LibraryPhoto
from db.tables import Tenant
from tests.support.libraries import library
from tests.support.valkey import valkey_server
from worker.chunk.context import WorkerContext
from worker.inference.repository import ModelRepository
from worker.libraries.relabel import relabel
from worker.libraries.stage_lease import StageLease
from worker.metrics import Metrics


def photos_run_in_a_second(count: int) -> float:
    """Photos of a folder that a run labels in a second, the models being warm."""
    with tempfile.TemporaryDirectory(prefix="tagline-bench-") as place, open_database("sqlite") as database:
        folder = Path(place) / "photos"
        make_photos(folder, count + 16)
        with valkey_server() as redis_url:
            settings = load_settings(
                database_url=database.engine.url.render_as_string(hide_password=False), redis_url=redis_url,
                folders=(place,), data_dir=Path(place) / "data",
            )  # fmt: skip
            make_library(database)
            with database.read() as session:
                tenant = session.scalars(select(Tenant.id)).one()
            with library(settings, database, tenant) as mine:
                mine.create(source={"folder": str(folder)}, tasks=["tag"])
                mine.run(limit=16)
                started = time.monotonic()
                done = mine.run()
                return int(done["counts"]["ran"]) / (time.monotonic() - started)


def relabelled_in_a_second(kind: str, photos: int) -> float:
    """Embedded photos that a run labels anew in a second."""
    with open_database(kind) as database:
        number = make_library(database)
        add_photos(database, number, photos)
        add_outputs(database, number, photos)
        claim = begin_run(database, number, RunStage.RELABEL, "relabel", top_k=10)
        _all_due(database, claim.number)
        context = _context(database)
        started = time.monotonic()
        with StageLease(database, claim, 600, threading.Event()) as lease:
            relabel(context, lease)
        return photos / (time.monotonic() - started)


def _all_due(database: Database, run: int) -> None:
    photo = LibraryPhoto
    columns = ["run", "photo", "key", "kind", "state", "why"]
    with database.write() as session:
        rows = select(literal(run), photo.id, photo.key, literal("stale"), literal("due"), literal("stale"))
        session.execute(insert(LibraryChange).from_select(columns, rows))


def _context(database: Database) -> WorkerContext:
    settings = load_settings(data_dir=Path("/nonexistent"))
    models = ModelRepository(settings, Metrics(CollectorRegistry()))
    models.get("tag", TAGGER)
    return cast(WorkerContext, cast(Any, SimpleNamespace(settings=settings, database=database, models=models)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--run", type=int, default=300)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    given = parser.parse_args()
    ran = photos_run_in_a_second(given.run)
    anew = relabelled_in_a_second(given.database, given.photos)
    print(f"running {ran:,.0f} photos/s, relabelling {anew:,.0f} photos/s ({given.database}): {anew / ran:,.0f} times")


if __name__ == "__main__":
    main()
