"""Texts through a real worker: three models judge each of them; what cannot be judged fails alone."""

from __future__ import annotations

from pathlib import Path

from redis import Redis

from core.broker import Doorbell
from core.inputs import InputItem, cut_chunks
from core.settings import Settings
from core.states import JobState, Priority
from core.tasks import TASKS
from db.engine import Database
from db.jobs import create_job, find_job
from db.results import stream_results
from jobs.plan import JobPlan
from tests.support.stack import running
from tests.support.waiting import until

TEXTS = (
    "An excellent film, wonderfully acted; I loved every minute of it and would watch it again.",
    "Une journée à la campagne avec mes amis, puis nous sommes rentrés à la maison.",
    "",
    "WINNER!! Claim your free prize now, call 09061701461 or text WIN to 87121. Cost 150p/min",
    "x" * 10_001,
    "🙂",
)


def test_texts_are_judged_and_bad_ones_fail_alone(
    database_url: str, database: Database, tenant: str, redis_url: str, tmp_path: Path
) -> None:
    settings = Settings(database_url=database_url, redis_url=redis_url, data_dir=tmp_path / "data")
    tasks = tuple(name for name, spec in TASKS.items() if spec.medium == "text")
    job = JobPlan(tenant_id=tenant, tasks=tasks, priority=Priority.INTERACTIVE)
    items = [InputItem(seq, str(seq), "text", text) for seq, text in enumerate(TEXTS)]
    with database.write() as session:
        create_job(session, job.row(len(items)), cut_chunks(items, 64), ttl_hours=24)
    env = {
        "TAGLINE_DATABASE_URL": settings.database_url,
        "TAGLINE_REDIS_URL": redis_url,
        "TAGLINE_DATA_DIR": str(settings.data_dir),
    }
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
    with running(env, tmp_path, database) as stack:
        stack.worker()
        bell = Doorbell(settings)
        bell.ring("text", 1)
        bell.close()

        def finished() -> bool:
            with database.read() as session:
                return JobState(find_job(session, tenant, job.id).state).finished

        until(finished, what="the end of the job")
    rows = list(stream_results(database, job.id))
    outputs = [row["outputs"] or {} for row in rows]
    assert outputs[0]["sentiment"]["label"] == "positive"
    assert outputs[1]["language"]["label"] == "fr"
    assert outputs[3]["spam"]["label"] == "spam"
    assert rows[2]["error"]["code"] == "text_empty"
    assert outputs[4]["sentiment"]["truncated"] is True
    assert rows[5]["error"]["code"] == "text_no_latin_letters"
    for output in outputs[:2]:
        for task in tasks:
            assert abs(sum(label["score"] for label in output[task]["labels"]) - 1) < 1e-3
            assert output[task]["model"].count("@") == 1
