"""Whatever happens to a job at the same time: each pair of verbs, interleaved at every statement, on both databases.

The first of a pair is stopped before its first, second, ... statement and before its commit; there the second runs
until it ends or waits. Afterwards the rows must say what one after the other could have said, and the job must still
come to its end with one result an item. A verb that locks too late, too little or in another order fails here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Table, delete, func, insert, select, text, update
from sqlalchemy.orm import Session

from core.errors import Conflict, ItemError, LeaseLost, NotFound
from core.ids import new_id
from core.inputs import InputItem, ItemResult, pack_items, unpack_items
from core.settings import Settings
from core.states import ChunkState, JobState
from db import keys, upkeep
from db.claims import Claim, claim_chunk, release_chunk, renew_leases
from db.engine import Database
from db.jobs import cancel_job, delete_job, retry_job
from db.migrate import migrate
from db.reap import reap_leases, set_apart
from db.store import store_results, store_some
from db.tables import Chunk, Delivery, Job, Result, Tenant
from tests.support.jobs import claim, make_job, must_claim, successes
from tests.support.postgres import fresh_database
from tests.support.races import Race

MAX_ATTEMPTS = 3
TABLES: list[Any] = [t.__table__ for t in (Tenant, Job, Chunk, Result, Delivery)]
UNFINISHED = (ChunkState.PENDING, ChunkState.LEASED)
COUNT_FINISHES = {
    "postgresql": (
        "CREATE TABLE finishes (job_id TEXT)",
        "CREATE FUNCTION note_finish() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO finishes VALUES (NEW.id); RETURN NEW; END $$",
        "CREATE TRIGGER finish AFTER UPDATE ON jobs FOR EACH ROW WHEN (OLD.finished_at IS NULL AND "
        "NEW.finished_at IS NOT NULL AND NEW.deleted_at IS NULL) EXECUTE FUNCTION note_finish()",
    ),
    "sqlite": (
        "CREATE TABLE finishes (job_id TEXT)",
        "CREATE TRIGGER finish AFTER UPDATE ON jobs WHEN OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL "
        "AND NEW.deleted_at IS NULL BEGIN INSERT INTO finishes VALUES (NEW.id); END",
    ),
}


@dataclass
class Scene:
    """A job in some state, and the claim that a worker holds on one of its chunks."""

    tenant: str
    job: str
    items: int
    claim: Claim | None = None


class Stage:
    """One database for all pairs: sets a scene anew in one transaction; a trigger counts how often a job finished."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        migrate(self.database)
        with self.database.write() as session:
            for statement in COUNT_FINISHES[self.database.engine.dialect.name]:
                session.execute(text(statement))
        self._scenes: dict[str, tuple[Scene, list[tuple[Table, list[dict[str, Any]]]]]] = {}
        self.seen: set[object] = set()

    def set(self, build: Callable[[Database], Scene]) -> Scene:
        """The scene, built the first time and copied from then on."""
        if build.__name__ not in self._scenes:
            with self.database.write() as session:
                self._clear(session)
            scene = build(self.database)
            with self.database.read() as session:
                rows = [(t, [dict(r) for r in session.execute(select(t)).mappings()]) for t in TABLES]
            self._scenes[build.__name__] = scene, rows
        scene, rows = self._scenes[build.__name__]
        with self.database.write() as session:
            self._clear(session)
            for table, found in rows:
                if found:
                    session.execute(insert(table), found)
            for delivery in dict(rows)[Delivery.__table__]:
                session.execute(text("INSERT INTO finishes VALUES (:job_id)"), delivery)
        return scene

    def _clear(self, session: Session) -> None:
        session.execute(delete(Tenant))
        session.execute(text("DELETE FROM finishes"))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    if request.param == "sqlite":
        made = Stage(f"sqlite:///{tmp_path_factory.mktemp('races') / 'tagline.db'}")
        yield made
        made.database.close()
        return
    with fresh_database(request.getfixturevalue("postgres_url"), "races_" + new_id().replace("-", "")) as url:
        made = Stage(Settings(database_url=url).sql_url)
        yield made
        made.database.close()


@pytest.fixture(scope="module")
def race(stage: Stage) -> Iterator[Race]:
    made = Race(stage.database)
    yield made
    made.close()


# How a job stands when the two come


def _tenant(database: Database) -> str:
    with database.write() as session:
        return keys.create_tenant(session, new_id(), "whsec_x")


def _store_one_failure(database: Database) -> None:
    mine = must_claim(database)
    results = successes(mine)
    results[0] = ItemResult(results[0].item, error=ItemError("fetch_http_404", "Not found."))
    with database.write() as session:
        store_results(session, mine, results)


def _started(database: Database, items: int) -> Scene:
    """The first chunk is stored, one of its two items failed; a second is claimed, and its worker is silent. It was
    alone in the worker's hands often enough to be to blame: taken back, it is cut in two, or fails."""
    tenant = _tenant(database)
    job = make_job(database, tenant, items=items, chunk=2, webhook_url="http://receiver.example/hook")
    _store_one_failure(database)
    mine = must_claim(database, lease_ms=0)
    with database.write() as session:
        session.execute(update(Chunk).where(Chunk.id == mine.chunk_id).values(alone=True, attempts=MAX_ATTEMPTS))
        session.execute(update(Job).values(expires_at=1))
    return Scene(tenant, job, items, mine)


def _running(database: Database) -> Scene:
    return _started(database, items=6)


def _at_its_last_item(database: Database) -> Scene:
    return _started(database, items=3)


def _finished(database: Database) -> Scene:
    tenant = _tenant(database)
    job = make_job(database, tenant, items=2, chunk=2, webhook_url="http://receiver.example/hook")
    _store_one_failure(database)
    with database.write() as session:
        session.execute(update(Job).values(finished_at=1))
    return Scene(tenant, job, 2)


def _cancelled(database: Database) -> Scene:
    scene = _started(database, items=6)
    with database.write() as session:
        cancel_job(session, scene.tenant, scene.job)
        session.execute(update(Job).values(finished_at=1))
    return scene


def _deleted(database: Database) -> Scene:
    scene = _cancelled(database)
    with database.write() as session:
        upkeep.retire_one(session, retention_days=1)
    return scene


# What may happen to it


def _claim(session: Session, scene: Scene) -> None:
    claim_chunk(session, queue="image", worker="w2", lease_ms=60_000)


def _store(session: Session, scene: Scene) -> None:
    assert scene.claim is not None
    store_results(session, scene.claim, successes(scene.claim))


def _store_some(session: Session, scene: Scene) -> None:
    assert scene.claim is not None
    store_some(session, scene.claim, successes(scene.claim)[1:])


def _set_apart(session: Session, scene: Scene) -> None:
    assert scene.claim is not None
    set_apart(session, scene.claim, {scene.claim.items[0].seq}, max_attempts=MAX_ATTEMPTS)


def _renew(session: Session, scene: Scene) -> None:
    assert scene.claim is not None
    renew_leases(session, [(scene.claim.chunk_id, scene.claim.token)], lease_ms=60_000)


def _release(session: Session, scene: Scene) -> None:
    assert scene.claim is not None
    release_chunk(session, scene.claim)


def _reap(session: Session, scene: Scene) -> None:
    reap_leases(session, max_attempts=MAX_ATTEMPTS)


def _cancel(session: Session, scene: Scene) -> None:
    cancel_job(session, scene.tenant, scene.job)


def _retry(session: Session, scene: Scene) -> None:
    retry_job(session, scene.tenant, scene.job, chunk_size=2, ttl_hours=24)


def _delete(session: Session, scene: Scene) -> None:
    delete_job(session, scene.tenant, scene.job)


def _expire(session: Session, scene: Scene) -> None:
    upkeep.expire_one(session)


def _retire(session: Session, scene: Scene) -> None:
    upkeep.retire_one(session, retention_days=1)


def _purge(session: Session, scene: Scene) -> None:
    upkeep.purge(session)


def _purge_whole(session: Session, scene: Scene) -> None:
    while upkeep.purge(session):
        pass


def _write_cancelled(session: Session, scene: Scene) -> None:
    upkeep.write_cancelled(session)


Act = Callable[[Session, Scene], None]
# A worker stores a part and goes on with what is left: it does not do that and another of these with the same claim.
BY_ONE_HAND = {_store, _store_some, _set_apart}
PAIRS: list[tuple[Callable[[Database], Scene], tuple[Act, ...]]] = [
    (_running, (_claim, _store, _store_some, _set_apart, _renew, _release, _reap, _cancel, _delete, _expire, _retry)),
    (_at_its_last_item, (_store, _set_apart, _reap, _cancel, _delete, _expire, _retry)),
    (_finished, (_claim, _cancel, _delete, _retire, _retry, _purge_whole)),
    (_cancelled, (_write_cancelled, _claim, _delete, _retire, _retry, _purge_whole)),
    (_deleted, (_write_cancelled, _retry, _delete, _purge, _purge_whole)),
]


@pytest.mark.parametrize(
    ("scene", "first", "second"),
    [
        pytest.param(scene, first, second, id=f"{scene.__name__}-{first.__name__}-{second.__name__}")
        for scene, acts in PAIRS
        for first in acts
        for second in acts
        if not {first, second} <= BY_ONE_HAND or _store_some not in (first, second)
    ],
)
def test_two_at_once_end_as_if_one_came_after_the_other(
    stage: Stage, race: Race, scene: Callable[[Database], Scene], first: Act, second: Act
) -> None:
    database = stage.database
    for step in count(1):
        made = stage.set(scene)
        reached, raised = race.run(lambda s, m=made: first(s, m), lambda s, m=made: second(s, m), step)  # type: ignore[misc]
        unexpected = [error for error in raised if not isinstance(error, Conflict | NotFound | LeaseLost)]
        assert unexpected == [], f"before statement {step}"
        outcome = scene, _outcome(database)
        if outcome not in stage.seen:
            _check(database, made, f"{first.__name__} before statement {step}")
            _run_to_its_end(database, made)
            stage.seen.add(outcome)
        if not reached or (database.is_sqlite and step == 2):  # on SQLite the second waits from the first statement on
            return


def _outcome(database: Database) -> object:
    """All that `_check` looks at and that decides how the job goes on: the same need not be looked at again."""
    ended = (Job.finished_at.is_(None), Job.deleted_at.is_(None))
    finishes = select(func.count()).select_from(text("finishes")).scalar_subquery()
    webhooks = select(func.count(Delivery.id)).scalar_subquery()
    with database.read() as session:
        jobs = session.execute(select(Job.state, Job.succeeded, Job.failed, Job.cancelled, *ended, finishes, webhooks))
        chunks = session.execute(select(Chunk.state, Chunk.first_seq, Chunk.size).order_by(Chunk.id))
        results = session.execute(select(Result.state, Result.seq).order_by(Result.seq))
        return tuple(map(tuple, jobs)), tuple(map(tuple, chunks)), tuple(map(tuple, results))


def _check(database: Database, scene: Scene, when: str) -> None:
    """What must hold at every moment."""
    with database.read() as session:
        job = session.scalars(select(Job).where(Job.id == scene.job)).one_or_none()
        if job is None:
            assert session.scalars(select(func.count()).select_from(Chunk)).one() == 0, when
            return
        chunks = session.scalars(select(Chunk).where(Chunk.job_id == scene.job)).all()
        unfinished = [chunk for chunk in chunks if chunk.state in UNFINISHED]
        if job.deleted_at is not None:
            assert JobState(job.state).finished, when
        if JobState(job.state).finished:
            assert job.finished_at is not None, when
            assert unfinished == [], when
        else:
            assert (job.finished_at, job.deleted_at) == (None, None), when
            assert unfinished != [], when
        done = job.succeeded + job.failed + job.cancelled
        assert job.total - done == sum(chunk.size for chunk in unfinished), when
        _check_webhooks(session, job, when)
        if job.deleted_at is None:  # else its rows are going
            _check_items(session, job, chunks, when)


def _check_items(session: Session, job: Job, chunks: list[Chunk], when: str) -> None:  # type: ignore[type-arg]
    """Every item has a result, or stands in one chunk that will bring one; the counters say the same."""
    rows = session.execute(select(Result.seq, Result.state).where(Result.job_id == job.id)).all()
    unwritten = [c for c in chunks if c.state != ChunkState.DONE]
    waiting = [item.seq for chunk in unwritten for item in unpack_items(chunk.inputs)]
    assert sorted([seq for seq, _ in rows] + waiting) == list(range(job.total)), when
    states = [state for _, state in rows]
    cancelled = sum(chunk.size for chunk in chunks if chunk.state == ChunkState.CANCELLED)
    counted = (states.count("succeeded"), states.count("failed"), states.count("cancelled") + cancelled)
    assert (job.succeeded, job.failed, job.cancelled) == counted, when


def _check_webhooks(session: Session, job: Job, when: str) -> None:
    finishes = session.scalars(text(f"SELECT count(*) FROM finishes WHERE job_id = '{job.id}'")).one()
    webhooks = session.scalars(select(func.count()).select_from(Delivery).where(Delivery.job_id == job.id)).one()
    assert webhooks == finishes, when


def _run_to_its_end(database: Database, scene: Scene) -> None:
    """Whatever happened, workers and the scheduler bring the job to its end."""
    with database.write() as session:
        session.execute(update(Chunk).where(Chunk.state == ChunkState.LEASED).values(lease_until=1, alone=False))
        reap_leases(session, max_attempts=MAX_ATTEMPTS)
    while (mine := claim(database)) is not None:
        with database.write() as session:
            store_results(session, mine, successes(mine))
    with database.write() as session:
        while upkeep.write_cancelled(session):
            pass
    _check(database, scene, "at the end")
    with database.read() as session:
        job = session.scalars(select(Job).where(Job.id == scene.job)).one_or_none()
        assert job is None or JobState(job.state).finished
        if job is not None and job.deleted_at is None:
            assert session.scalars(select(func.count()).select_from(Result)).one() == scene.items
    with database.write() as session:
        while upkeep.purge(session):
            pass
    with database.read() as session:
        left = session.scalars(select(Job.deleted_at)).all()
        assert left in ([], [None])


def test_a_job_that_finishes_and_is_run_again_while_it_expires_keeps_its_new_term(stage: Stage, race: Race) -> None:
    """Expiring saw the old term. Unless it came first, the job must be queued."""
    kept = 0
    for step in count(1):
        scene = stage.set(_at_its_last_item)

        def finish_and_retry(session: Session, scene: Scene = scene) -> None:
            _store(session, scene)
            _retry(session, scene)

        reached, raised = race.run(lambda s, m=scene: _expire(s, m), finish_and_retry, step)  # type: ignore[misc]
        assert [error for error in raised if not isinstance(error, LeaseLost)] == []
        with stage.database.read() as session:
            state = session.scalars(select(Job.state)).one()
        assert state == (JobState.EXPIRED if raised or not reached else JobState.QUEUED), f"before statement {step}"
        kept += state == JobState.QUEUED
        if not reached or (stage.database.is_sqlite and step == 2):
            break
    assert kept > 0


def _two_jobs(database: Database) -> Scene:
    """Two workers died, each with a guilty item of both jobs; by the chunks' ids one comes to the jobs in the other's
    order."""
    tenant = _tenant(database)
    one, other = (make_job(database, tenant, items=2, chunk=1) for _ in range(2))
    with database.write() as session:
        session.execute(delete(Chunk))
        for worker, job, seq in (("w1", one, 0), ("w2", other, 0), ("w2", one, 1), ("w1", other, 1)):
            session.execute(insert(Chunk).values(**_guilty(tenant, job, seq, worker)))
    return Scene(tenant, one, 2)


def _guilty(tenant: str, job: str, seq: int, worker: str) -> dict[str, Any]:
    item = InputItem(seq, str(seq), "url", "http://photos.example/x.jpg")
    return {
        "job_id": job, "tenant_id": tenant, "queue": "image", "priority": 0, "turn": 0, "first_seq": seq,
        "last_seq": seq, "size": 1, "inputs": pack_items([item]), "state": ChunkState.LEASED, "token": 1,
        "attempts": MAX_ATTEMPTS, "alone": True, "worker": worker, "lease_until": 1, "created_at": 1,
    }  # fmt: skip


def _reap_after(worker: str) -> Callable[[Session], object]:
    return lambda session: reap_leases(session, max_attempts=MAX_ATTEMPTS, worker=worker)


def test_two_that_reap_chunks_of_the_same_jobs_do_not_wait_for_each_other(
    stage: Stage, race: Race, caplog: pytest.LogCaptureFixture
) -> None:
    """Failing an item locks its job, so both must come to the jobs in the same order."""
    for step in count(1):
        stage.set(_two_jobs)
        reached, raised = race.run(_reap_after("w1"), _reap_after("w2"), step)
        if not reached:
            return
        assert raised == []
        assert caplog.records == []  # a chunk that cannot be taken back is logged, and the others are
        with stage.database.read() as session:
            assert session.execute(select(Job.state, Job.failed)).all() == [(JobState.FAILED, 2)] * 2
        if stage.database.is_sqlite and step == 2:
            return
