"""How long jobs will take: told before they begin, while they run, and after a retry; on real rows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import create_engine, event, select, update

from api.forecasts import Forecasts, SecondsLeft
from api.services import KEY
from core.errors import ItemError
from core.inputs import ItemResult
from core.settings import load_settings
from core.states import Priority
from db import keys, workers
from db.claims import release_chunk
from db.clock import current_ms, now_ms
from db.engine import Database, Session
from db.jobs import retry_job
from db.open_work import OpenJob, open_work
from db.store import store_results
from db.tables import Chunk, Job
from db.throughput import Pace, WorkPace, add_paces, seconds_per_item
from db.upkeep import purge_small
from jobs.time_left import seconds_by_order
from tests.support.api import Caller
from tests.support.jobs import claim, make_job, must_claim, successes
from worker.chunk import leases
from worker.chunk.leases import Leases

BULK = Priority.BULK


def rates(database: Database, *paces: Pace, live: tuple[str, ...] = ("w1",)) -> None:
    """What workers have measured, and who of them lives."""
    with database.write() as session:
        for worker in live:
            workers.beat(session, worker, [])
        add_paces(session, "w1", paces)


def seconds(database: Database, job_id: str) -> float | None:
    """As whoever asks for the job now is told."""
    with database.read() as session:
        job = session.get_one(Job, job_id)
    return Forecasts(database, load_settings().chunk_of).seconds_left(job)


def tenant_named(database: Database, name: str) -> str:
    with database.write() as session:
        return keys.create_tenant(session, name, "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0")


class NeverWalked(dict[str, OpenJob]):
    """Jobs by id that nobody goes through one by one."""

    def __iter__(self) -> Iterator[str]:
        raise AssertionError

    values = items = __iter__  # type: ignore[assignment]


def store(database: Database, chunks: int = 1, bad: bool = False) -> None:
    for _ in range(chunks):
        claimed = must_claim(database)
        error = ItemError("fetch_http_404", "gone")
        results = [ItemResult(item, error=error) for item in claimed.items] if bad else successes(claimed)
        with database.write() as session:
            store_results(session, claimed, results)


def earlier(database: Database, job_id: str, **moments: int) -> None:
    """Move moments of a job back by so many seconds."""
    columns = {name: getattr(Job, name) - 1000 * seconds for name, seconds in moments.items()}
    with database.write() as session:
        session.execute(update(Job).where(Job.id == job_id).values(columns))


def test_nobody_guesses(database: Database, tenant: str) -> None:
    """Fails if a number comes from nowhere: no rate, a rate of other work, or nobody alive to do it."""
    job = make_job(database, tenant, items=100, priority=BULK)
    assert seconds(database, job) is None
    rates(database, Pace("caption bulk", 600, 60_000), Pace("classify interactive", 600, 60_000))
    assert seconds(database, job) is None
    rates(database, Pace("classify bulk", 600, 60_000))
    assert seconds(database, job) == 10.0
    with database.write() as session:
        workers.sign_off(session, "w1")
    assert seconds(database, job) is None


def test_a_job_that_waits_counts_what_is_ahead_of_it(database: Database, tenant: str) -> None:
    """Each kind at its own rate; a second worker halves it; what comes later and is not urgent does not matter."""
    rates(database, Pace("classify bulk", 600, 60_000), Pace("caption bulk", 60, 60_000))
    rates(database, Pace("classify interactive", 60, 60_000))
    first = make_job(database, tenant, items=40, priority=BULK, tasks=("caption",))
    second = make_job(database, tenant, items=400, priority=BULK)
    assert seconds(database, first) == 40 + 4  # they take turns, until the first is done
    assert seconds(database, second) == 40 + 40
    urgent = make_job(database, tenant_named(database, "other"), items=10)
    assert seconds(database, urgent) == 10
    assert seconds(database, second) == 90
    rates(database, live=("w1", "w2"))
    assert seconds(database, second) == 45
    text = make_job(database, tenant, items=10, priority=BULK, tasks=("spam",))
    rates(database, Pace("spam bulk", 1000, 1000))
    assert seconds(database, text) == 0.0  # rounded; photos are another queue's


def test_the_order_is_that_of_the_claims(database: Database, tenant: str) -> None:
    """Four tenants, one of them behind with what it was given: each job's last chunk is claimed when it was said."""
    rates(database, *(Pace(f"classify {name}", 1000, 1_000_000) for name in ("interactive", "bulk")))
    others = [tenant_named(database, name) for name in ("b", "c", "d")]
    begun = make_job(database, tenant, items=60, chunk=1, priority=BULK)
    for _ in range(20):
        must_claim(database)
    jobs = [
        make_job(database, whose, items=items, chunk=1, priority=priority)
        for whose, items, priority in (
            (others[0], 50, BULK), (others[0], 5, BULK), (others[1], 90, BULK), (others[2], 3, Priority.INTERACTIVE),
            (tenant, 12, BULK), (others[1], 8, Priority.INTERACTIVE),
        )
    ]  # fmt: skip
    said = {job: seconds(database, job) for job in jobs}
    last: dict[str, int] = {}
    claims = 0
    while (claimed := claim(database)) is not None:
        claims += 1
        last[claimed.job_id] = claims
    assert begun in last
    for job, expected in said.items():
        in_hand = 0 if job in (jobs[3], jobs[5]) else 20  # urgent ones overtake inside a worker, too
        assert expected == pytest.approx(last[job] + in_hand, abs=5)


def test_what_is_ahead_is_added_up_once_for_all_who_ask(database: Database, tenant: str) -> None:
    """Fails if each job of a list is told by a walk through all that are open, of which there may be thousands."""
    rates(database, Pace("classify bulk", 600, 60_000), Pace("caption bulk", 600, 600_000))
    jobs = [make_job(database, tenant, items=items, chunk=1, priority=BULK) for items in (3, 40, 5, 40, 7)]
    make_job(database, tenant, items=2, priority=BULK, tasks=("caption",))
    must_claim(database)
    with database.read() as session:
        work = open_work(session, seconds_per_item(session), lambda _: 64)
        first, second, third = (session.get_one(Job, job) for job in jobs[:3])
    assert work is not None
    assert {(group.kind, group.in_hand, group.waiting) for group in work.groups} == {
        ("classify bulk", 1, 94),
        ("caption bulk", 0, 2),
    }
    work = replace(work, jobs=NeverWalked(work.jobs))
    assert seconds_by_order(first, 3, work) == pytest.approx(0.1 * (3 + 4 * 2) + 2)
    assert seconds_by_order(second, 40, work) == pytest.approx(0.1 * 95 + 2)
    assert seconds_by_order(third, 5, work) == pytest.approx(0.1 * (5 + 3 * 5 + 3) + 2)
    assert seconds_by_order(third, 2, work) == pytest.approx(
        0.1 * (2 + 4 * 2 + 1) + 2
    )  # more is done since it was read


def test_a_chunk_is_run_by_one_worker(database: Database, tenant: str) -> None:
    """Fails if workers that find nothing to do make it look quick: they cannot help with 16 photos of one chunk."""
    rates(database, Pace("classify bulk", 400, 100_000), live=("w1", "w2", "w3", "w4"))
    job = make_job(database, tenant, items=16, chunk=16, priority=BULK)
    assert seconds(database, job) == 4.0
    big = make_job(database, tenant, items=4000, chunk=64, priority=BULK)
    assert seconds(database, big) == 4016 * 0.25 / 4


def test_a_job_that_runs_goes_by_its_recent_pace(database: Database, tenant: str) -> None:
    """It waited for an hour after its beginning: the average since then would say days. Fails if that counts."""
    rates(database)
    job = make_job(database, tenant, items=400, chunk=4)
    store(database)  # the first moment to look back to
    earlier(database, job, started_at=3600, pace_next_at=70, stored_at=1)
    store(database)  # 4 in the 70 s since; this moment is the next
    earlier(database, job, pace_from_at=30, pace_next_at=30, stored_at=30)
    store(database, 4)
    left = 400 - 6 * 4
    found = seconds(database, job)
    assert found is not None
    assert 100 / 20 * left <= found <= 100 / 20 * left * 1.5  # 20 in 100 s, and what this test takes


def test_a_gap_in_which_nobody_worked_is_forgotten(database: Database, tenant: str) -> None:
    rates(database)
    job = make_job(database, tenant, items=400, chunk=4)
    store(database, 2)
    earlier(database, job, started_at=7200, pace_next_at=7190, stored_at=7190)
    store(database)
    earlier(database, job, pace_from_at=10, pace_next_at=10, stored_at=10)
    store(database, 5)
    found = seconds(database, job)
    assert found is not None
    assert found < 10 / 20 * 376 * 2


def test_a_pace_that_is_young_counts_in_part(database: Database, tenant: str) -> None:
    """Fails if the first photo of a job, which waits for all that is warmed up, tells of the others alone."""
    rates(database, Pace("classify bulk", 600, 60_000))
    job = make_job(database, tenant, items=404, chunk=4, priority=BULK)
    store(database)
    earlier(database, job, started_at=5)
    found = seconds(database, job)
    assert found is not None
    assert 40 < found < 400  # 500 by its pace
    earlier(database, job, started_at=20)
    later = seconds(database, job)
    assert later is not None
    assert later > 1500


def test_silence_is_not_progress(database: Database, tenant: str) -> None:
    """Fails if a job that is stuck keeps promising the same, or one that nobody works at promises anything."""
    rates(database)
    job = make_job(database, tenant, items=40, chunk=4)
    store(database, 5)
    earlier(database, job, started_at=10)
    before = seconds(database, job)
    earlier(database, job, started_at=1000, pace_next_at=1000, stored_at=1000)
    after = seconds(database, job)
    assert before is not None
    assert after is not None
    assert after > 500 > before
    with database.write() as session:
        workers.sign_off(session, "w1")
    assert seconds(database, job) is None


def test_a_pace_of_a_moment_says_nothing_by_itself(database: Database, tenant: str) -> None:
    """Fails if a job of a kind that was never measured is told hours after its first photo, for which all is loaded."""
    rates(database)
    job = make_job(database, tenant, items=400, chunk=4)
    store(database)
    earlier(database, job, started_at=3)
    assert seconds(database, job) is None
    earlier(database, job, started_at=8)
    assert seconds(database, job) is not None


def test_a_job_nothing_of_which_has_come_takes_at_least_as_long_again(database: Database, tenant: str) -> None:
    rates(database, Pace("classify bulk", 600, 60_000))
    job = make_job(database, tenant, items=40, priority=BULK)
    must_claim(database)
    assert seconds(database, job) == 4.0
    earlier(database, job, started_at=100)
    found = seconds(database, job)
    assert found is not None
    assert found >= 100


def test_after_a_retry_only_what_is_left_counts(database: Database, tenant: str) -> None:
    """Fails if what was done before, how long it took, or how long the job rested, is in it."""
    rates(database, Pace("classify bulk", 100, 100_000))
    job = make_job(database, tenant, items=40, chunk=4, priority=BULK)
    store(database, 9)
    store(database, bad=True)
    earlier(database, job, started_at=5000, pace_next_at=5000, stored_at=5000)
    assert seconds(database, job) is None
    with database.write() as session:
        retry_job(session, tenant, job, chunk_size=4, ttl_hours=1)
    assert seconds(database, job) == 4.0
    must_claim(database)
    found = seconds(database, job)
    assert found is not None
    assert 4.0 <= found < 60


def test_a_job_that_waits_for_its_hosts_is_not_done_before_they_are_asked_again(
    database: Database, tenant: str
) -> None:
    """Fails if the wait goes into the pace of what is not waiting, or is forgotten, or outlives a retry."""
    rates(database, Pace("classify interactive", 600, 60_000))
    job = make_job(database, tenant, items=8, chunk=4)
    claimed = must_claim(database)
    with database.write() as session:
        release_chunk(session, claimed, delay_ms=90_000)
        release_chunk(session, claimed, delay_ms=900_000)  # no longer ours
    found = seconds(database, job)
    assert found is not None
    assert 30 < found <= 90
    other = must_claim(database)
    with database.write() as session:
        release_chunk(session, other, delay_ms=5_000)  # an earlier one changes nothing
    later = seconds(database, job)
    assert later is not None
    assert 30 < later <= found


def test_a_chunk_that_made_room_was_not_put_off_by_its_hosts(database: Database, tenant: str) -> None:
    rates(database, Pace("classify interactive", 600, 60_000))
    job = make_job(database, tenant, items=8, chunk=4)
    claimed = must_claim(database)
    with database.write() as session:
        release_chunk(session, claimed, delay_ms=90_000, hosts_ask=False)
    found = seconds(database, job)
    assert found is not None
    assert found < 90
    with database.read() as session:
        assert session.get_one(Job, job).waits_until is None


@pytest.mark.parametrize("all_wait", [False, True])
def test_a_gap_is_the_hosts_only_if_all_that_is_left_waits_for_them(
    database: Database, tenant: str, all_wait: bool
) -> None:
    """A quarter waits for an hour, and for a while nothing comes. Fails if that is the job's own pace although others
    held the rest up; or if it is not where the rest waits too, for then the hosts will ask again."""
    job = make_job(database, tenant, items=16, chunk=4)
    store(database)
    waiting = [must_claim(database) for _ in range(3 if all_wait else 1)]
    with database.write() as session:
        for claimed in waiting:
            release_chunk(session, claimed, delay_ms=3_600_000)
    earlier(database, job, started_at=1210, pace_next_at=1200, stored_at=1200)
    with database.write() as session:  # one is due again
        session.execute(update(Chunk).where(Chunk.id == waiting[-1].chunk_id, all_wait).values(due_at=now_ms() - 1000))
    store(database)
    with database.read() as session:
        found = session.get_one(Job, job)
        assert found.pace_from_at is not None
        assert found.stored_at is not None
        assert (found.stored_at - found.pace_from_at > 1_000_000) == all_wait


def test_a_finished_job_has_no_time_left_and_none_is_negative(database: Database, tenant: str) -> None:
    job = make_job(database, tenant, items=8, chunk=4)
    store(database)
    with database.write() as session:
        session.execute(update(Job).values(waits_until=1, started_at=now_ms() + 60_000))
    assert seconds(database, job) in (None, 0.0)
    store(database)
    assert seconds(database, job) is None


def test_a_beat_that_fails_loses_no_measurement(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if what is measured is given away before its transaction is committed, or is written twice."""
    leases_of_w1 = Leases(database, load_settings(), "w1", list)
    leases_of_w1.meter.begin(1, "classify bulk", 64)
    leases_of_w1.meter.succeeded(1, 64)
    leases_of_w1.meter.end(1)

    def refused(session: Session, *_: Any, **__: Any) -> set[int]:
        assert session.scalars(select(WorkPace.items)).all() == [64]
        raise ConnectionError

    with monkeypatch.context() as broken:
        broken.setattr(leases, "renew_leases", refused)
        for _ in range(2):
            with pytest.raises(ConnectionError):
                leases_of_w1.beat()
    for _ in range(2):
        leases_of_w1.beat()
    with database.read() as session:
        assert session.scalars(select(WorkPace.items)).all() == [64]


class Guarded(Database):
    """Counts the reads, and does something first at each."""

    before: Callable[[], object] = staticmethod(lambda: None)
    reads = 0

    @contextmanager
    def read(self) -> Iterator[Session]:
        self.reads += 1
        self.before()
        with super().read() as session:
            yield session


@pytest.fixture
def guarded(database_url: str) -> Iterator[Guarded]:
    guarded = Guarded(database_url)
    yield guarded
    guarded.close()


def test_a_pool_without_a_free_connection_is_asked_once_and_nobody_minds(
    database: Database, tenant: str, guarded: Guarded
) -> None:
    """Fails if a poll is answered with 500, or if each of many tries again what took the pool's whole patience."""
    with database.read() as session:
        job = session.get_one(Job, make_job(database, tenant))
    engine = guarded.engine
    guarded.engine = create_engine(engine.url, pool_size=1, max_overflow=0, pool_timeout=0.01)
    forecasts = Forecasts(guarded, load_settings().chunk_of)
    with guarded.engine.connect():
        assert [forecasts.seconds_left(job) for _ in range(3)] == [None] * 3
        assert forecasts.as_of_now()(job) is None
    guarded.engine.dispose()
    guarded.engine = engine
    assert guarded.reads == 1


def test_nobody_waits_for_a_slow_read_of_another(database: Database, tenant: str, guarded: Guarded) -> None:
    """Fails by never ending if one slow read holds up all polls: it ends only once they are answered."""
    rates(database, Pace("classify interactive", 600, 60_000))
    with database.read() as session:
        job = session.get_one(Job, make_job(database, tenant, items=40))
    reading, answered = threading.Event(), threading.Event()

    def slow() -> None:
        reading.set()
        assert answered.wait(180)

    forecasts = Forecasts(guarded, load_settings().chunk_of)
    guarded.before = slow
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(forecasts.seconds_left, job)
        assert reading.wait(180)
        assert forecasts.seconds_left(job) is None
        assert forecasts.as_of_now()(job) is None
        answered.set()
        assert first.result() == 4.0
    assert forecasts.seconds_left(job) == 4.0


def test_the_answer_to_a_submission_says_it(acme: Caller, rival: Caller, database: Database) -> None:
    """Behind a stranger's job of 600 photos: they take turns until the small one is done."""
    rates(database, Pace("classify bulk", 600, 60_000))
    urls = [f"http://a/{n}" for n in range(600)]
    assert rival.submit(urls, priority="bulk")["eta_seconds"] == 60.0
    acme_job = acme.submit(urls[:20], priority="bulk")
    listed = acme.get("/v1/jobs").json["data"][0]
    assert acme_job["eta_seconds"] in (2.0, 4.0)  # what was read for the one before may be a second old
    assert listed["eta_seconds"] in (2.0, 4.0)
    assert seconds(database, acme_job["id"]) == 4.0


class Noting(Forecasts):
    """Notes when it is asked before a transaction."""

    events: list[str]

    def as_of_now(self) -> SecondsLeft:
        self.events.append("forecast")
        return super().as_of_now()


class Alone(Forecasts):
    """Notes how many connections are in use when it is asked."""

    used: list[int]

    def seconds_left(self, job: Job) -> float | None:
        self.used.append(self._database.engine.pool.checkedout())  # type: ignore[attr-defined]
        return super().seconds_left(job)


def test_no_answer_waits_for_a_second_connection_with_one_in_hand(app: Flask, acme: Caller) -> None:
    """Fails if requests could wait for each other until none gets the connection that it needs, too."""
    forecasts = Alone(app.extensions[KEY].database, load_settings().chunk_of)
    forecasts.used = []
    app.extensions[KEY] = replace(app.extensions[KEY], forecasts=forecasts)
    body = {"tasks": ["classify"], "inputs": ["http://a/1"]}
    job = acme.send("POST", "/v1/jobs", {"Prefer": "wait=0"}, json=body).json["id"]
    for path in (f"/v1/jobs/{job}", "/v1/jobs"):
        assert acme.get(path).status_code == 200
    assert forecasts.used == [0, 0, 0]


class Slow(BytesIO):
    """A body."""

    events: list[str]

    def read(self, size: int | None = -1) -> bytes:
        self.events.append("body")
        return super().read(size)


def test_a_submission_is_told_what_is_so_when_its_body_has_come(app: Flask, acme: Caller, database: Database) -> None:
    """Fails if an upload of ten minutes is answered by what was to be done before it, or if a forecast is made for
    somebody who waits for the end."""
    events: list[str] = []
    forecasts = Noting(database, load_settings().chunk_of)
    forecasts.events = events
    app.extensions[KEY] = replace(app.extensions[KEY], forecasts=forecasts)
    for prefer, looks in (("", 1), ("wait=0", 0), ("wait=1", 0)):
        body = Slow(b"http://a/1")
        body.events = events
        sent = {"input_stream": body, "content_length": 10, "content_type": "text/plain"}
        answer = acme.send("POST", "/v1/jobs?tasks=classify", {"Prefer": prefer}, **sent)
        assert answer.status_code == 202
        assert events.count("forecast") == looks
        assert events[-1] == ("forecast" if looks else "body")
        events.clear()


def test_what_is_measured_is_kept_for_a_while(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest minutes count, whatever a kind did before; after eight days they go."""
    with database.read() as session:
        now = current_ms(session)
    monkeypatch.setattr("db.throughput.current_ms", lambda session: now)  # no minute ends meanwhile
    with database.write() as session:
        add_paces(session, "w1", [Pace("classify bulk", 10, 100_000), Pace("spam bulk", 5, 0)])
        session.execute(update(WorkPace).values(minute=WorkPace.minute - 8 * 24 * 60 - 1))
        for _ in range(10):
            add_paces(session, "w1", [Pace("classify bulk", 50, 500)])
            add_paces(session, "w1", [Pace("classify bulk", 50, 500)])
            session.execute(update(WorkPace).where(WorkPace.minute > 1_000).values(minute=WorkPace.minute - 1))
        assert seconds_per_item(session) == {"classify bulk": 0.01}
        purge_small(session)
        assert set(session.scalars(select(WorkPace.kind))) == {"classify bulk"}
        assert session.scalars(select(WorkPace.items)).all() == [100] * 10


def test_a_poll_reads_no_chunk_that_waits(database: Database, tenant: str) -> None:
    """Fails if what is ahead is counted by chunks: of a big job that would be thousands at every poll."""
    job = make_job(database, tenant, items=8, chunk=4, priority=BULK)
    said: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        said.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    seconds(database, job)
    event.remove(database.engine, "before_cursor_execute", note)
    [(statement, parameters)] = [one for one in said if "FROM chunks" in one[0]]
    if database.is_sqlite:  # PostgreSQL would not bother with an index of two rows
        with database.engine.connect() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
        assert [row[3] for row in plan] == ["SEARCH chunks USING INDEX ix_chunks_leased (lease_until>?)"]
