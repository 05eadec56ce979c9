"""Two workers that share nothing but PostgreSQL, Valkey and a bucket do one job together."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from redis import Redis
from sqlalchemy import select

from cli.demo.local_s3 import local_s3
from core.ids import new_id
from core.inputs import InputItem, cut_chunks
from core.outbound.s3.store import S3Store
from core.settings import Settings
from core.states import JobState, Priority
from core.storage.uploads import open_upload_store
from db import keys
from db.engine import Database
from db.jobs import create_job, find_job
from db.migrate import migrate
from db.results import stream_results
from db.tables import Chunk
from db.uploads import record_upload
from jobs.plan import JobPlan
from tests.support.photos import SAMPLES
from tests.support.postgres import fresh_database
from tests.support.stack import running
from tests.support.waiting import until

BUCKET = "photos"


def _inputs(database: Database, tenant: str, settings: Settings) -> list[InputItem]:
    """Forty uploads and forty objects, all the sample photos over and over."""
    samples = sorted(SAMPLES.glob("*.jpg"))
    uploads, objects = open_upload_store(settings), S3Store(settings)
    items: list[InputItem] = []
    for number in range(40):
        path = samples[number % len(samples)]
        data = path.read_bytes()
        sha256 = uploads.put(data)
        with database.write() as session:
            upload = record_upload(session, tenant, sha256=sha256, size=len(data), width=1, height=1)
        objects.put(BUCKET, f"album/{path.name}", data)
        items.append(InputItem(2 * number, path.stem, "upload", upload))
        items.append(InputItem(2 * number + 1, path.stem, "s3", f"s3://{BUCKET}/album/{path.name}"))
    return items


def test_a_second_machine_joins(postgres_url: str, redis_url: str, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    name = "two_" + new_id().replace("-", "")
    with local_s3(buckets=(BUCKET,)) as s3, fresh_database(postgres_url, name) as database_url:
        for variable, value in s3.environment().items():
            monkeypatch.setenv(variable, value)
        settings = Settings(
            database_url=database_url,
            redis_url=redis_url,
            data_dir=tmp_path / "api",
            uploads_url=f"s3://{BUCKET}/uploads",
        )
        database = Database(settings.sql_url)
        migrate(database)
        with database.write() as session:
            tenant = keys.create_tenant(session, "acme", "whsec_x")
        items = _inputs(database, tenant, settings)

        def submitted() -> str:
            job = JobPlan(tenant_id=tenant, tasks=("classify",), priority=Priority.BULK)
            with database.write() as session:
                create_job(session, job.row(len(items)), cut_chunks(items, 4), ttl_hours=24)
            return job.id

        jobs = [submitted()]
        with Redis.from_url(redis_url) as redis:
            redis.flushall()
        shared = {
            "TAGLINE_DATABASE_URL": database_url,
            "TAGLINE_REDIS_URL": redis_url,
            "TAGLINE_UPLOADS_URL": settings.uploads_url,
            "TAGLINE_WORKER_CONCURRENCY": "2",
        }
        with running(shared, tmp_path, database) as stack:
            stack.worker("machine-a", TAGLINE_DATA_DIR=str(tmp_path / "a"), HOME=str(tmp_path / "a"))
            stack.worker("machine-b", TAGLINE_DATA_DIR=str(tmp_path / "b"), HOME=str(tmp_path / "b"))
            stack.scheduler()

            def finished() -> bool:
                with database.read() as session:
                    return all(JobState(find_job(session, tenant, job).state).finished for job in jobs)

            def both_worked() -> bool:
                until(finished, timeout_s=300, what="the end of the job")
                with database.read() as session:
                    by = set(session.scalars(select(Chunk.worker)))
                assert by <= {"machine-a", "machine-b"}
                if len(by) < 2:  # one was quick and the other slow: there is more to do
                    jobs.append(submitted())
                return len(by) == 2

            until(both_worked, timeout_s=300, what="work of both")
        results = [list(stream_results(database, job)) for job in jobs]
        database.close()
    for rows in results:
        assert Counter(row["state"] for row in rows) == {"succeeded": 80}
        assert [row["seq"] for row in rows] == list(range(80))
    assert not os.path.exists(tmp_path / "a" / "uploads")
