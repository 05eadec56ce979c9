"""What submitting, running again and claiming read of a backlog of a hundred thousand chunks: nothing to speak of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from core.ids import new_id
from core.inputs import InputItem, cut_chunks
from core.settings import Settings
from core.states import JobState, Priority
from db import keys
from db.claims import claim_chunk
from db.engine import Database
from db.jobs import create_job, retry_job
from db.migrate import migrate
from db.tables import Job, Tenant
from jobs.plan import JobPlan
from tests.support.jobs import make_job
from tests.support.postgres import fresh_database
from tests.support.work import rows_looked_at

CHUNKS = 100_000
FEW = 2_000
NUMBERS = {
    "postgresql": f"SELECT n FROM generate_series(1, {CHUNKS}) AS s (n)",
    "sqlite": f"WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {CHUNKS}) SELECT n FROM s",
}


@dataclass
class Crowd:
    """A tenant with a hundred thousand pending chunks, the least served of the busy ones, and one with a failed job;
    before them in the order of service stand fifty that are idle."""

    database: Database
    crowd: str
    tenant: str
    failed: str


@pytest.fixture(scope="module", params=["sqlite", "sqlite analysed", "postgresql", "postgresql analysed"])
def crowd(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    """With the planner's statistics, and without them, as they are while a backlog is new."""
    analysed = request.param.endswith("analysed")
    if request.param.startswith("sqlite"):
        yield _crowd(f"sqlite:///{tmp_path_factory.mktemp('crowd') / 'tagline.db'}", analysed)
        return
    with fresh_database(request.getfixturevalue("postgres_url"), "crowd_" + new_id().replace("-", "")) as url:
        made = _crowd(Settings(database_url=url).sql_url, analysed)
        yield made
        made.database.close()


def _crowd(url: str, analysed: bool) -> Crowd:
    database = Database(url)
    migrate(database)
    with database.write() as session:
        for number in range(50):
            keys.create_tenant(session, f"idle {number}", "whsec_x")
        crowd, tenant = keys.create_tenant(session, "crowd", "x"), keys.create_tenant(session, "acme", "x")
        session.execute(update(Tenant).where(Tenant.id == crowd).values(served=7000))
    job = make_job(database, crowd, items=1, priority=Priority.BULK)
    failed = make_job(database, tenant, items=1)
    columns = "job_id, tenant_id, queue, priority, turn, first_seq, last_seq, size, inputs, state, created_at"
    values = f"'{job}', '{crowd}', 'image', 1, n, n, n, 1, '', 'pending', 1"
    result = f"""'{failed}', 0, '0', 'failed', '{{"url": "http://photos.example/1.jpg"}}', 1"""
    with database.write() as session:
        numbers = NUMBERS[database.engine.dialect.name]
        session.execute(text(f"INSERT INTO chunks ({columns}) SELECT {values} FROM ({numbers}) AS numbers"))
        session.execute(text(f"DELETE FROM chunks WHERE job_id = '{failed}'"))
        session.execute(update(Job).where(Job.id == failed).values(state=JobState.FAILED, failed=1, finished_at=1))
        into = "INSERT INTO results (job_id, seq, item_id, state, input, finished_at)"
        session.execute(text(f"{into} VALUES ({result})"))
    if analysed:
        with database.write() as session:
            session.execute(text("ANALYZE"))
    return Crowd(database, crowd, tenant, failed)


def _submit(session: Session, tenant: str, priority: Priority = Priority.BULK) -> None:
    items = [InputItem(0, "0", "url", "http://photos.example/1.jpg")]
    row = JobPlan(tenant_id=tenant, tasks=("classify",), priority=priority).row(1)
    create_job(session, row, cut_chunks(items, 4), ttl_hours=1)


def test_a_new_tenant_starts_level_without_a_look_at_the_backlog(crowd: Crowd) -> None:
    def submit(session: Session) -> None:
        _submit(session, crowd.tenant)
        session.expire_all()
        assert session.get_one(Tenant, crowd.tenant).served == 7000

    assert rows_looked_at(crowd.database, submit) < FEW
    assert rows_looked_at(crowd.database, lambda session: _submit(session, crowd.crowd)) < FEW


def test_running_again_does_not_look_at_the_backlog(crowd: Crowd) -> None:
    def retry(session: Session) -> None:
        retry_job(session, crowd.tenant, crowd.failed, chunk_size=4, ttl_hours=1)

    assert rows_looked_at(crowd.database, retry) < FEW


def test_a_claim_does_not_look_at_the_backlog(crowd: Crowd) -> None:
    """Neither the first of the crowd's own, nor one that all who have been served less do not have."""

    def claim(session: Session) -> None:
        _submit(session, crowd.tenant, Priority.INTERACTIVE)
        taken = [claim_chunk(session, queue="image", worker="w", lease_ms=1) for _ in range(2)]
        assert [chunk.tenant_id for chunk in taken if chunk is not None] == [crowd.tenant, crowd.crowd]

    assert rows_looked_at(crowd.database, claim) < FEW
