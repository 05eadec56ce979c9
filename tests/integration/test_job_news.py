"""Who waits for a job is told when it has changed, whoever changes it; and nobody minds a broker that is down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing

import pytest

from core.broker import ChannelListener
from core.errors import ItemError
from core.inputs import ItemResult
from core.job_channel import JOB_CHANNEL, JobChangePublisher
from core.settings import Settings
from db import jobs
from db.engine import Database
from db.store import store_results, store_some
from db.upkeep import expire_one, retire_one
from tests.support.jobs import make_job, must_claim, successes
from tests.support.ports import free_port
from tests.support.waiting import until


class Notebook:
    """Notes whom it is told of."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def publish(self, job_ids: Iterable[str]) -> None:
        self.told += job_ids

    def close(self) -> None:
        pass

    def taken(self) -> list[str]:
        told, self.told = self.told, []
        return told


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


@pytest.fixture
def telling(database_url: str, notebook: Notebook) -> Iterator[Database]:
    with closing(Database(database_url, job_news=notebook)) as opened:
        yield opened


def test_every_move_of_a_job_is_told_after_its_commit(telling: Database, notebook: Notebook, tenant: str) -> None:
    """Fails if a change grows a job's version and those who wait for it find out only when they look."""
    job = make_job(telling, tenant, items=4, chunk=4)
    notebook.taken()
    claimed = must_claim(telling)
    assert notebook.taken() == [job]
    results = [ItemResult(item, error=ItemError("fetch_http_404", "gone")) for item in claimed.items]
    with telling.write() as session:
        claimed = store_some(session, claimed, results[:1])
        assert notebook.told == []
    assert notebook.taken() == [job]
    with telling.write() as session:
        store_results(session, claimed, results[1:])
    assert notebook.taken() == [job]
    with telling.write() as session:
        jobs.retry_job(session, tenant, job, chunk_size=4, ttl_hours=-1)
    assert notebook.taken() == [job]
    with telling.write() as session:
        assert expire_one(session) == job
    assert notebook.taken() == [job]
    with telling.write() as session:
        assert retire_one(session, retention_days=-1) == job
    assert notebook.taken() == [job]
    for leave in (jobs.cancel_job, jobs.delete_job):
        other = make_job(telling, tenant)
        notebook.taken()
        with telling.write() as session:
            leave(session, tenant, other)
        assert notebook.taken() == [other]


def test_what_is_rolled_back_is_not_told(telling: Database, notebook: Notebook, tenant: str) -> None:
    make_job(telling, tenant, items=4, chunk=4)
    claimed = must_claim(telling)
    notebook.taken()
    with pytest.raises(RuntimeError), telling.write() as session:
        store_results(session, claimed, successes(claimed))
        raise RuntimeError
    assert notebook.taken() == []


def test_ids_are_heard_on_the_channel(redis_url: str) -> None:
    settings, heard = Settings(redis_url=redis_url), list[bytes]()
    ids = [f"job-{number}" for number in range(450)]
    with closing(ChannelListener(settings, JOB_CHANNEL, heard.append)), closing(JobChangePublisher(settings)) as news:
        until(lambda: heard == [b""], what="the subscription, at which one looks at everything")
        news.publish(ids)
        until(lambda: {i for some in heard[1:] for i in some.decode().split(",")} == set(ids), what="all ids")


def test_a_broker_that_is_down_delays_nobody(database_url: str, tenant: str) -> None:
    """Fails if whoever changes a job waits for the broker, or gets its error."""
    settings = Settings(redis_url=f"redis://127.0.0.1:{free_port()}/0")
    with closing(Database(database_url, job_news=JobChangePublisher(settings))) as telling:
        job = make_job(telling, tenant)
        with telling.write() as session:
            jobs.cancel_job(session, tenant, job)
        with telling.read() as session:
            assert jobs.find_job(session, tenant, job).state == "cancelled"
