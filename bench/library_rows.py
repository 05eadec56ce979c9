"""Databases, libraries and rows to measure with, made without a photo."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from sqlalchemy import insert

from core.inputs import groups
from core.settings import load_settings
from core.states import RunStage
from db import keys
from db.engine import Database, Session
from db.labels import number_labels
from db.ledger import embedding_recipe, find_recipes, find_spec, write_entries
from db.libraries import add_library
from db.library_runs import RunClaim, add_run, claim_stage, enter_stage
from db.library_tables import Library, LibraryPhoto, LibraryRun
from db.migrate import migrate
from db.output_code import encode
from libraries.listing.entry import Entry
from tests.support.postgres import fresh_database, postgres_server

SIZE = 240  # numbers in an embedding of the shipped tagger
LABELS = 20
TAGGER, CAPTIONER = "tag-open@1.0.0", "caption-transformer@1.0.0"
LEASE_MS = 600_000
MTIME = 1_700_000_000_000_000


@contextmanager
def open_database(kind: str) -> Iterator[Database]:
    """An empty database of Tagline's, "sqlite" or "postgresql", gone afterwards."""
    if kind == "sqlite":
        with tempfile.TemporaryDirectory(prefix="tagline-bench-") as folder:
            yield from _migrated(f"sqlite:///{Path(folder) / 'tagline.db'}")
        return
    with postgres_server() as server, fresh_database(server, "bench") as url:
        yield from _migrated(load_settings(database_url=url).sql_url)


def _migrated(url: str) -> Iterator[Database]:
    database = Database(url)
    migrate(database)
    try:
        yield database
    finally:
        database.close()


def make_library(database: Database) -> int:
    """A library with `tag` and `caption`; its number."""
    with database.write() as session:
        tenant = keys.create_tenant(session, "bench", "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0")
        values = {
            "name": "bench", "source": {"folder": "/photos"}, "tasks": ["tag", "caption"], "options": {}, "models": {},
            "write": "none", "write_threshold": 0.5, "base_url": "",
        }  # fmt: skip
        return add_library(session, tenant, values).number


def entry(number: int) -> Entry:
    """The photo of this number, as its folder lists it."""
    size = 2_000_000 + number
    return Entry(
        f"2024/{number // 1000:04d}/IMG_{number:07d}.jpg", size, MTIME + number, f"{size:x}-{MTIME:x}{number:x}"
    )


def digest(number: int) -> bytes:
    """The SHA-256 of its bytes."""
    return hashlib.sha256(str(number).encode()).digest()


def spec_of(session: Session, library: Library, tag_options: dict[str, object] | None = None) -> int:
    """The spec of the two tasks with these options."""
    models = {"tag": TAGGER, "caption": CAPTIONER}
    recipes = find_recipes(session, library.tenant_id, models, models, {"tag": tag_options or {}})
    return find_spec(session, library.tenant_id, recipes.values())


def add_photos(database: Database, library: int, count: int) -> None:
    """Photos that are known and have outputs, without those outputs."""
    with database.write() as session:
        spec = spec_of(session, session.get_one(Library, library))
    for numbers in groups(range(count), 10_000):
        with database.write() as session:
            session.execute(insert(LibraryPhoto), [_photo(library, spec, number) for number in numbers])


def _photo(library: int, spec: int, number: int) -> dict[str, object]:
    listed = entry(number)
    return {
        "library": library, "key": listed.key, "size": listed.size, "mtime": listed.mtime, "etag": listed.etag,
        "sha256": digest(number), "spec": spec, "width": 4000, "height": 3000, "failures": 0, "permanent": False,
        "unsaved": False, "run": 1, "updated_at": MTIME // 1000,
    }  # fmt: skip


def add_outputs(database: Database, library: int, count: int) -> None:
    """Twenty labels, a caption and an embedding for each photo."""
    random = np.random.default_rng(1)
    names = [f"label {number}" for number in range(2_000)]
    with database.write() as session:
        row = session.get_one(Library, library)
        models = {"tag": TAGGER, "caption": CAPTIONER}
        recipes = find_recipes(session, row.tenant_id, models, models, {"tag": {}})
        embeddings = embedding_recipe(session, row.tenant_id, TAGGER)
        ids = number_labels(session, [(name, "") for name in names])
    for numbers in groups(range(count), 5_000):
        bodies: dict[tuple[bytes, int], bytes] = {}
        for number in numbers:
            chosen, scores = random.choice(2_000, LABELS, replace=False), np.sort(random.random(LABELS))[::-1]
            labels = [{"label": names[at], "score": round(float(s), 6)} for at, s in zip(chosen, scores, strict=True)]
            sha256 = digest(number)
            caption = {"text": "a brown dog runs along the beach with a red ball", "score": 0.8, "model": CAPTIONER}
            bodies[sha256, recipes["tag"]] = encode({"labels": labels, "model": TAGGER}, ids, 4000, 3000)
            bodies[sha256, recipes["caption"]] = encode(caption, {}, 4000, 3000)
            bodies[sha256, embeddings] = random.standard_normal(SIZE).astype("<f2").tobytes()
        with database.write() as session:
            write_entries(session, bodies)


def begin_run(database: Database, library: int, stage: RunStage, what: str = "changed", **options: object) -> RunClaim:
    """A run that is at a stage of a worker's, and ours."""
    with database.write() as session:
        row = session.get_one(Library, library)
        run = add_run(session, row, what=what)
        run.spec, run.models, run.source = spec_of(session, row, options), {"tag": TAGGER}, row.source
        enter_stage(run, stage)
        session.flush()
        claim = claim_stage(session, worker="bench", lease_ms=LEASE_MS, stages=[stage])
        assert claim is not None
        return claim


def run_row(session: Session, number: int) -> LibraryRun:
    return session.get_one(LibraryRun, number, populate_existing=True)
