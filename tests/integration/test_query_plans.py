"""What a night and the pages of a library ask SQLite: nothing reads a table whole that grows with the library."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tensorflow")

from sqlalchemy import event

from core.settings import Settings
from db import keys
from db.engine import Database
from db.libraries import find_library
from db.library_browsing import figures_of, history_of, last_nights, neighbours
from db.library_photos import PhotoFilter
from db.migrate import migrate
from libraries.changes import list_changes
from libraries.photos import label_counts, list_photos
from tests.support.libraries import Library, library, write_models, write_photo

GROWING = ("ledger", "library_photos", "library_changes", "library_edits", "library_sidecars", "labels", "results",
           "chunks", "jobs", "thumbnails", "thumbnail_files", "uploads")  # fmt: skip
WHOLE = re.compile(rf"SCAN ({'|'.join(GROWING)})\b(?: USING (?:COVERING )?INDEX (\w+))?")
SORTED = ("USE TEMP B-TREE FOR ORDER BY",)  # for the first few all have to be read


@pytest.fixture
def mine(redis_url: str, tmp_path: Path) -> Iterator[Library]:
    for number in range(3):
        write_photo(tmp_path / "photos" / f"{number}.png", number)
    models = write_models(tmp_path / "models", captions=True)
    data = tmp_path / "data"
    data.mkdir()
    settings = Settings(redis_url=redis_url, models_dir=models, data_dir=data, folders=(str(tmp_path),))
    database = Database(settings.sql_url)
    migrate(database)
    with database.write() as session:
        tenant = keys.create_tenant(session, "mine", "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0")
    with library(settings, database, tenant) as opened:
        opened.create(source={"folder": str(tmp_path / "photos")}, tasks=["tag", "caption"])
        yield opened
    database.close()


def _asked(database: Database) -> dict[str, Any]:
    """Statements from now on, each with the parameters that it was first run with."""
    found: dict[str, Any] = {}

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE", "WITH")):
            found.setdefault(statement, parameters[0] if many else parameters)

    event.listen(database.engine, "before_cursor_execute", note)
    return found


def _whole(path: Path, asked: dict[str, Any]) -> list[str]:
    """Statements that read a growing table, or the whole of an index that holds all of it."""
    reads = []
    with sqlite3.connect(path) as connection:
        partial = {row[1] for table in GROWING for row in connection.execute(f"PRAGMA index_list({table})") if row[4]}
        for statement, parameters in asked.items():
            plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            for *_, step in plan:
                scan = WHOLE.match(step)
                if (scan and scan[2] not in partial) or ("LIMIT" in statement and step in SORTED):
                    reads.append(f"{step}: {' '.join(statement.split())}")
    return reads


def test_nothing_is_read_whole(mine: Library, tmp_path: Path) -> None:
    asked = _asked(mine.database)
    mine.run()
    write_photo(tmp_path / "photos" / "0.png", 9)
    last = mine.run()["id"]
    mine.patch(options={"tag": {"top_k": 2}})
    mine.undo(mine.run()["id"])
    label = mine.labels("1.png")[0]
    with mine.database.read() as session:
        shown = find_library(session, mine.tenant, mine.id)
        list_changes(session, mine.tenant, mine.id, last, limit=5, least=0.5)
        label_counts(session, mine.tenant, mine.id, 0.5)
        for wanted in (PhotoFilter(), PhotoFilter(label=label), PhotoFilter(q="1.png a"), PhotoFilter(state="failed")):
            photos = list_photos(session, mine.tenant, mine.id, wanted, limit=5)
        photos = list_photos(session, mine.tenant, mine.id, PhotoFilter(), limit=5)
        figures_of(session, [shown])
        last_nights(session, shown, 30)
        neighbours(session, shown, int(photos[0]["id"]))
        history_of(session, int(photos[0]["id"]))
    assert len(asked) > 60
    assert _whole(tmp_path / "data" / "tagline.db", asked) == []
