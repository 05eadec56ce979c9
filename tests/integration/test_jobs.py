"""What happens to jobs besides being worked on: retry, cancel, expire, delete, and keys that are used twice."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, update

from core.errors import Conflict, ItemError, NotFound
from core.ids import new_id
from core.inputs import ItemResult
from core.states import JobState
from db import idempotency, keys, upkeep
from db.engine import Database
from db.jobs import cancel_job, delete_job, find_job, list_jobs, retry_job
from db.results import first_open, page_results, stream_results
from db.store import store_results
from db.tables import Base, Chunk, IdempotencyKey, Job, Result
from tests.support.jobs import claim, make_job, must_claim, successes


def _finish(database: Database, *, failing: set[int] = frozenset()) -> None:  # type: ignore[assignment]
    error = ItemError("fetch_http_404", "Not found.")
    while (mine := claim(database)) is not None:
        results = [
            ItemResult(result.item, error=error) if result.item.seq in failing else result for result in successes(mine)
        ]
        with database.write() as session:
            store_results(session, mine, results)


def _states(database: Database, job: str) -> list[str]:
    with database.read() as session:
        return [row["state"] for row in page_results(session, job, limit=1000)]


def test_retry_runs_what_failed_and_only_that(database: Database, tenant: str) -> None:
    job = make_job(database, tenant, items=10)
    _finish(database, failing={1, 5, 9})
    with database.write() as session:
        retried = retry_job(session, tenant, job, chunk_size=64, ttl_hours=24)
        assert (retried.state, retried.succeeded, retried.failed) == (JobState.QUEUED, 7, 0)
    again = must_claim(database)
    assert [(item.seq, item.id) for item in again.items] == [(1, "photo-1"), (5, "photo-5"), (9, "photo-9")]
    with database.write() as session:
        store_results(session, again, successes(again))
    assert _states(database, job) == ["succeeded"] * 10
    with database.read() as session:
        assert find_job(session, tenant, job).state == JobState.COMPLETED
    with pytest.raises(Conflict), database.write() as session:
        retry_job(session, tenant, job, chunk_size=64, ttl_hours=24)


def test_an_unfinished_job_cannot_be_retried(database: Database, tenant: str) -> None:
    job = make_job(database, tenant)
    with pytest.raises(Conflict), database.write() as session:
        retry_job(session, tenant, job, chunk_size=64, ttl_hours=24)


def test_cancelled_items_get_their_rows_in_order(database: Database, tenant: str) -> None:
    job = make_job(database, tenant, items=10)
    first = must_claim(database)
    with database.write() as session:
        store_results(session, first, successes(first))
    with database.write() as session:
        cancel_job(session, tenant, job)
    with database.write() as session:
        assert upkeep.write_cancelled(session) == 6
        assert upkeep.write_cancelled(session) == 0
    assert _states(database, job) == ["succeeded"] * 4 + ["cancelled"] * 6
    with database.write() as session:
        assert cancel_job(session, tenant, job).state == JobState.CANCELLED  # twice is once


def test_a_finished_job_cannot_be_cancelled(database: Database, tenant: str) -> None:
    job = make_job(database, tenant)
    _finish(database)
    with pytest.raises(Conflict), database.write() as session:
        cancel_job(session, tenant, job)


def test_an_overdue_job_expires_and_keeps_what_it_has(database: Database, tenant: str) -> None:
    job = make_job(database, tenant, items=8)
    first = must_claim(database)
    with database.write() as session:
        store_results(session, first, successes(first))
        session.execute(update(Job).values(expires_at=1))
    with database.write() as session:
        assert upkeep.expire_one(session) == job
        assert upkeep.expire_one(session) is None
        upkeep.write_cancelled(session)
    assert _states(database, job) == ["succeeded"] * 4 + ["cancelled"] * 4
    with database.read() as session:
        assert find_job(session, tenant, job).state == JobState.EXPIRED
    assert claim(database) is None


def test_a_deleted_job_is_gone_at_once_and_its_rows_soon(database: Database, tenant: str) -> None:
    job = make_job(database, tenant, webhook_url="http://receiver.example/hook")
    _finish(database, failing={2})
    other = make_job(database, tenant)
    with database.write() as session:
        delete_job(session, tenant, job)
    with pytest.raises(NotFound), database.read() as session:
        find_job(session, tenant, job)
    with database.write() as session:
        while upkeep.purge(session):
            pass
    with database.read() as session:
        for table in (Result, Chunk):
            column = Base.metadata.tables[table.__tablename__].c.job_id
            left = session.execute(select(func.count()).select_from(table).where(column == job)).scalar_one()
            assert left == 0
        assert find_job(session, tenant, other).total == 10


def test_what_is_older_than_the_retention_goes(database: Database, tenant: str) -> None:
    old, new = make_job(database, tenant), make_job(database, tenant)
    _finish(database)
    with database.write() as session:
        session.execute(update(Job).where(Job.id == old).values(finished_at=1))
    with database.write() as session:
        assert upkeep.retire_one(session, retention_days=90) == old
        assert upkeep.retire_one(session, retention_days=90) is None
    with pytest.raises(NotFound), database.write() as session:
        retry_job(session, tenant, old, chunk_size=64, ttl_hours=24)
    with database.write() as session:
        while upkeep.purge(session):
            pass
    with database.read() as session:
        assert [job.id for job in list_jobs(session, tenant, limit=10)] == [new]


def test_somebody_elses_job_is_not_found(database: Database, tenant: str) -> None:
    job = make_job(database, tenant)
    with database.write() as session:
        other = keys.create_tenant(session, "other", "whsec_x")
    for act in (find_job, cancel_job, delete_job):
        with pytest.raises(NotFound), database.write() as session:
            act(session, other, job)


def test_jobs_are_listed_newest_first_and_paged(database: Database, tenant: str) -> None:
    made = [make_job(database, tenant, items=1) for _ in range(5)]
    with database.read() as session:
        first = [job.id for job in list_jobs(session, tenant, limit=3)]
        rest = [job.id for job in list_jobs(session, tenant, limit=3, before=first[-1])]
        assert list_jobs(session, tenant, limit=3, state=JobState.COMPLETED) == []
    assert sorted(first + rest) == sorted(made)


def test_results_are_streamed_whole_and_in_order(database: Database, tenant: str) -> None:
    job = make_job(database, tenant, items=57, chunk=8)
    _finish(database, failing={3, 44})
    assert [row["seq"] for row in stream_results(database, job, page=10)] == list(range(57))
    assert [row["seq"] for row in stream_results(database, job, page=10, state="failed")] == [3, 44]


def test_an_idempotency_key_is_used_once(database: Database, tenant: str) -> None:
    with database.write() as session:
        assert idempotency.reserve(session, tenant, "k", "first") is None
    with pytest.raises(Conflict), database.write() as session:
        idempotency.reserve(session, tenant, "k", "second")
    with database.write() as session:
        job = new_id()
        idempotency.complete(session, tenant, "k", "first", fingerprint="f", job_id=job, response={"id": job})
    with database.write() as session:
        known = idempotency.reserve(session, tenant, "k", "second")
    assert known == idempotency.Known("f", job, {"id": job})


def test_a_refused_submission_frees_its_key_and_a_dead_one_loses_it(database: Database, tenant: str) -> None:
    with database.write() as session:
        idempotency.reserve(session, tenant, "k", "first")
        idempotency.release(session, tenant, "k", "first")
        assert idempotency.reserve(session, tenant, "k", "second") is None
        session.execute(update(IdempotencyKey).values(locked_until=1))
    with database.write() as session:
        assert idempotency.reserve(session, tenant, "k", "third") is None
    with pytest.raises(Conflict), database.write() as session:
        idempotency.complete(session, tenant, "k", "second", fingerprint="f", job_id=new_id(), response={})


def test_the_first_key_is_made_once(database: Database) -> None:
    with database.write() as session:
        made = keys.ensure_first_key(session, "", "whsec_x")
        assert made is not None
        assert keys.ensure_first_key(session, "", "whsec_x") is None
        assert keys.ensure_first_key(session, "operators-choice", "whsec_x") is None
    with database.read() as session:
        by_made, by_choice = keys.authenticate(session, made), keys.authenticate(session, "operators-choice")
        assert by_made is not None
        assert by_made == by_choice
        assert keys.authenticate(session, made + "x") is None


def test_pages_end_before_what_is_not_done_yet(database: Database, tenant: str) -> None:
    job = make_job(database, tenant, items=12)
    first, second = must_claim(database), must_claim(database)
    with database.write() as session:
        store_results(session, second, successes(second))
    with database.read() as session:
        assert first_open(session, job) == 0
    with database.write() as session:
        store_results(session, first, successes(first))
    with database.read() as session:
        assert first_open(session, job) == 8
    _finish(database)
    with database.read() as session:
        assert first_open(session, job) is None
