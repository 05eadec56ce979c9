"""What becomes of libraries afterwards: webhooks, receipts, cancelled runs, deleted libraries, photos long gone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("tensorflow")

from sqlalchemy import func, select, update

from core.broker import Doorbell
from core.errors import Conflict, NotFound
from core.settings import Settings
from core.states import JobState
from db import keys, library_upkeep
from db.engine import Database
from db.jobs import list_jobs
from db.ledger_tables import LedgerEntry
from db.library_tables import (
    Library as LibraryRow,
)
from db.library_tables import (
    LibraryChange,
    LibraryListing,
    LibraryPhoto,
    LibraryRun,
)
from db.outbox import page_deliveries
from db.tables import Job
from libraries import photos, runs
from libraries.manage import delete_library
from scheduler.library_chores import LibraryChores
from tests.support.libraries import Library, library, write_photo
from tests.support.waiting import until
from worker.libraries.stages import run_stage


@pytest.fixture
def mine(
    database: Database, database_url: str, redis_url: str, models: Path, tenant: str, tmp_path: Path
) -> Iterator[Library]:
    settings = Settings(
        database_url=database_url, redis_url=redis_url, models_dir=models, data_dir=tmp_path / "data",
        folders=(str(tmp_path),),
    )  # fmt: skip
    for number in range(3):
        write_photo(tmp_path / "photos" / f"{number}.png", number)
    with library(settings, database, tenant) as opened:
        opened.create(
            source={"folder": str(tmp_path / "photos")}, tasks=["classify"], webhook={"url": "https://hook.example/x"}
        )
        yield opened


@pytest.fixture
def chores(mine: Library) -> Iterator[LibraryChores]:
    doorbell = Doorbell(mine.settings)
    yield LibraryChores(mine.database, doorbell, mine.settings)
    doorbell.close()


def _count(mine: Library, table: type) -> int:
    with mine.database.read() as session:
        return session.scalars(select(func.count()).select_from(table)).one()


def test_a_run_tells_of_itself_once_and_has_a_receipt(mine: Library) -> None:
    run = mine.run()
    with mine.database.read() as session:
        [delivery] = page_deliveries(session, mine.tenant, limit=10, below=f"libraries/{mine.id}/")
        receipt = runs.read_receipt(session, mine.tenant, mine.id, run["id"])
    assert delivery["event"] == "library.run.completed"
    assert delivery["subject"] == f"libraries/{mine.id}/runs/{run['id']}"
    lines = "".join(f"{json.dumps(f'{number}.png')} new succeeded\n" for number in range(3))
    assert receipt["sha256"] == hashlib.sha256(lines.encode()).hexdigest()
    assert receipt["models"] == {"classify": "eye@1.0.0"}
    assert receipt["counts"] == run["counts"]
    assert run["labels"]["added"][0]["count"] == 3
    (Path(str(mine.settings.folders[0])) / "photos").rename(Path(str(mine.settings.folders[0])) / "away")
    mine.run()
    with mine.database.read() as session:
        found = page_deliveries(session, mine.tenant, limit=10, below=f"libraries/{mine.id}/")
    assert [one["event"] for one in found] == ["library.run.failed", "library.run.completed"]


def test_the_jobs_of_a_run_are_nobodys(mine: Library) -> None:
    mine.run()
    with mine.database.read() as session:
        assert session.scalars(select(func.count()).select_from(Job)).one() > 0
        assert list_jobs(session, mine.tenant, limit=10) == []


def test_a_cancelled_run_ends_at_once_and_leaves_nothing_behind(mine: Library, chores: LibraryChores) -> None:
    run_id = mine.start()
    for _ in range(2):  # listed, compared and ordered, and nothing run
        mine.advancer.advance_all()
        run_stage(mine.worker)
    mine.advancer.advance_all()
    with pytest.raises(Conflict, match="run_in_progress"):
        mine.start()
    with mine.database.write() as session:
        assert runs.cancel_run(session, mine.tenant, mine.id, run_id)["state"] == "cancelled"
    mine.start()  # the next one need not wait for the clearing
    until(lambda: (chores.clear_runs(), _open_jobs(mine, run_id) == 0)[1], what="the end of its jobs")
    chores.clear_runs()
    with mine.database.read() as session:
        number = session.scalars(select(LibraryRun.number).where(LibraryRun.id == run_id)).one()
        left = select(func.count()).select_from(LibraryListing).where(LibraryListing.run == number)
        assert session.scalars(left).one() == 0
    assert mine.photos() == {}


def _open_jobs(mine: Library, run_id: str) -> int:
    with mine.database.read() as session:
        number = session.scalars(select(LibraryRun.number).where(LibraryRun.id == run_id)).one()
        states = [JobState.QUEUED, JobState.RUNNING]
        query = select(func.count()).select_from(Job).where(Job.library_run == number, Job.state.in_(states))
        return session.scalars(query).one()


def test_a_deleted_library_ends_its_run_and_goes(mine: Library, chores: LibraryChores) -> None:
    mine.run()
    run_id = mine.start()
    mine.advancer.advance_all()
    with mine.database.write() as session:
        delete_library(session, mine.tenant, mine.id)
    with pytest.raises(NotFound, match="library_not_found"):
        mine.read(run_id)
    for _ in range(20):
        chores.clear_runs()
        chores.clear()
    assert [_count(mine, table) for table in (LibraryRow, LibraryRun, LibraryChange, LibraryPhoto)] == [0] * 4
    assert _count(mine, LedgerEntry) == 3
    assert len(list((Path(str(mine.settings.folders[0])) / "photos").iterdir())) == 3


def test_photos_long_gone_are_forgotten_and_so_are_outputs_that_nothing_shows(mine: Library) -> None:
    mine.run()
    (Path(str(mine.settings.folders[0])) / "photos" / "0.png").unlink()
    mine.run()
    assert mine.photos()["0.png"]["state"] == "missing"
    with mine.database.write() as session:
        assert library_upkeep.forget_missing(session, days=1) == 0
        assert library_upkeep.forget_missing(session, days=0) == 1
    assert sorted(mine.photos()) == ["1.png", "2.png"]
    with mine.database.write() as session:
        session.execute(update(LedgerEntry).values(made_on=0))
        assert library_upkeep.clear_ledger(session, days=30, after=b"") is not None
        assert library_upkeep.clear_ledger(session, days=30, after=b"\xff" * 32) is None
    assert _count(mine, LedgerEntry) == 2
    with mine.database.write() as session:
        while library_upkeep.ended_run(session) is not None:
            library_upkeep.clear_run(session, library_upkeep.ended_run(session) or 0)
        session.execute(update(LibraryRun).values(finished_at=1))
        while library_upkeep.retire_runs(session, days=30):
            pass
    assert _count(mine, LibraryRun) == _count(mine, LibraryChange) == 0


def test_nobody_else_has_the_library(mine: Library) -> None:
    run = mine.run()
    photo = mine.photos()["0.png"]["id"]
    with mine.database.write() as session:
        stranger = keys.create_tenant(session, "rival", "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0")
    with mine.database.read() as session:
        for ask in (
            lambda: runs.read_run(session, stranger, mine.id, run["id"]),
            lambda: runs.read_receipt(session, stranger, mine.id, run["id"]),
            lambda: photos.read_photo(session, stranger, mine.id, photo),
            lambda: photos.label_counts(session, stranger, mine.id),
        ):
            with pytest.raises(NotFound, match="library_not_found"):
                ask()


def test_labels_are_counted_and_found_with_what_people_said(mine: Library) -> None:
    mine.run()
    mine.edit("0.png", add=("Mine", "class 0"), remove=("class 1",))
    with mine.database.read() as session:
        counts = {one["label"]: one["count"] for one in photos.label_counts(session, mine.tenant, mine.id)}
    assert counts == {"class 0": 3, "class 1": 2, "class 2": 3, "Mine": 1}
    assert sorted(mine.photos(label="CLASS 1")) == ["1.png", "2.png"]
    assert sorted(mine.photos(label="class 0", by="person")) == ["0.png"]
    assert sorted(mine.photos(label="class 0", by="model")) == ["1.png", "2.png"]
    assert sorted(mine.photos(by="person")) == ["0.png"]
    assert sorted(mine.photos(q="2")) == ["2.png"]
    assert mine.photos(label="nothing") == {}
    mine.edit("0.png", remove=("mine",))
    mine.edit("0.png", add=("class 1",))
    assert mine.labels("0.png")[0:2] == ["class 0", "class 1"]
    assert "Mine" not in mine.labels("0.png")
