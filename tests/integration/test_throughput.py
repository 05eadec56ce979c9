"""How much was finished in which minute: counted by the workers themselves, kept in the database."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from prometheus_client import CollectorRegistry
from sqlalchemy import select, update

from core.settings import Settings
from db.engine import Database
from db.throughput import WorkerMinute, WorkPace, add_finished, finished_by_worker, last_minutes
from db.upkeep import purge_small
from tests.support.jobs import make_job
from tests.support.worker import run_chunk
from worker.metrics import Metrics
from worker.process.lifetime import close_worker, open_worker


def test_workers_add_up_in_their_minute(database: Database) -> None:
    for worker, succeeded, failed in (("one", 5, 1), ("one", 3, 0), ("two", 10, 2)):
        with database.write() as session:
            add_finished(session, worker, succeeded, failed)
    with database.read() as session:
        minutes = last_minutes(session)
        assert finished_by_worker(session) == {"one": 9, "two": 12}
    assert len(minutes) == 60
    assert [later.at - earlier.at for earlier, later in pairwise(minutes)] == [60_000] * 59
    assert sum(minute.succeeded for minute in minutes) == 18
    assert sum(minute.failed for minute in minutes) == 3


def test_what_is_older_than_an_hour_is_not_shown_and_what_is_older_than_a_day_goes(database: Database) -> None:
    with database.write() as session:
        add_finished(session, "old", 1, 0)
        session.execute(update(WorkerMinute).values(minute=WorkerMinute.minute - 61))
        add_finished(session, "older", 1, 0)
        session.execute(
            update(WorkerMinute).where(WorkerMinute.worker == "older").values(minute=WorkerMinute.minute - 1441)
        )
        purge_small(session)
    with database.read() as session:
        assert sum(minute.succeeded for minute in last_minutes(session)) == 0
        assert finished_by_worker(session) == {}
        assert list(session.scalars(select(WorkerMinute.worker))) == ["old"]


def test_a_worker_tells_what_it_finished_once(
    database: Database, database_url: str, tenant: str, tmp_path: Path
) -> None:
    """Fails if a sign of life tells again what the one before has told, or forgets what was done since."""
    settings = Settings(database_url=database_url, data_dir=tmp_path, worker_name="w1")
    context = open_worker(settings, Metrics(CollectorRegistry()))
    try:
        make_job(database, tenant, refs=["nonsense", "ftp://photos.example/a.jpg"])
        assert run_chunk(context, "image")
        context.leases.beat()
        context.leases.beat()
        make_job(database, tenant, refs=["nonsense"])
        assert run_chunk(context, "image")
    finally:
        close_worker(context)
    with database.read() as session:
        assert finished_by_worker(session) == {"w1": 3}
        assert sum(minute.failed for minute in last_minutes(session)) == 3
        # What no model has seen is no measure of how long models take.
        assert session.scalars(select(WorkPace.kind)).all() == []
