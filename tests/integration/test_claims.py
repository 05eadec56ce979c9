"""Claims, leases and fencing, raced on both databases: each item ends with exactly one result."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from sqlalchemy import text

from core.errors import ItemError, LeaseLost
from core.ids import new_id
from core.inputs import ItemResult
from core.settings import Settings
from core.states import JobState, Priority
from db import keys
from db.claims import mark_alone, release_chunk, renew_leases
from db.engine import Database
from db.jobs import cancel_job, find_job
from db.migrate import migrate
from db.reap import reap_leases
from db.results import first_open, page_results, stream_results
from db.store import store_results, store_some
from db.tables import Chunk, Tenant
from tests.support.jobs import claim, make_job, must_claim, successes
from tests.support.postgres import fresh_database
from tests.support.waiting import until

NOW = 0  # a lease of this many milliseconds has lapsed when the next statement runs


def _reap(database: Database, max_attempts: int = 3) -> list[int]:
    with database.write() as session:
        return reap_leases(session, max_attempts=max_attempts)


def _seqs(database: Database, job: str) -> list[int]:
    with database.read() as session:
        return [row["seq"] for row in page_results(session, job, limit=100_000)]


def test_many_claimers_race_and_no_chunk_is_run_twice(database: Database, tenant: str) -> None:
    job = make_job(database, tenant, items=240, chunk=4)
    claimed: list[int] = []
    errors: list[BaseException] = []
    start = threading.Barrier(8)

    def work(name: str) -> None:
        try:
            start.wait()
            while (mine := claim(database, name)) is not None:
                claimed.append(mine.chunk_id)
                with database.write() as session:
                    store_results(session, mine, successes(mine))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert Counter(Counter(claimed).values()) == {1: 60}
    assert _seqs(database, job) == list(range(240))
    with database.read() as session:
        done = find_job(session, tenant, job)
        assert (done.state, done.succeeded, done.failed) == (JobState.COMPLETED, 240, 0)


def test_who_lost_the_lease_cannot_store(database: Database, tenant: str) -> None:
    job = make_job(database, tenant, items=4)
    slow = must_claim(database, "slow", lease_ms=NOW)
    assert _reap(database) == [slow.chunk_id]
    quick = must_claim(database, "quick")
    assert (quick.chunk_id, quick.attempts) == (slow.chunk_id, 2)
    with pytest.raises(LeaseLost), database.write() as session:
        store_results(session, slow, successes(slow))
    assert _seqs(database, job) == []
    with database.write() as session:
        store_results(session, quick, successes(quick))
    with pytest.raises(LeaseLost), database.write() as session:
        store_results(session, quick, successes(quick))
    assert _seqs(database, job) == [0, 1, 2, 3]


def test_who_stores_between_lapse_and_next_claim_is_refused_too(database: Database, tenant: str) -> None:
    make_job(database, tenant, items=4)
    slow = must_claim(database, "slow", lease_ms=NOW)
    _reap(database)
    with pytest.raises(LeaseLost), database.write() as session:
        store_results(session, slow, successes(slow))


def test_a_renewed_lease_is_kept_and_a_lost_one_is_not_renewed(database: Database, tenant: str) -> None:
    make_job(database, tenant, items=8)
    kept, lost = must_claim(database, lease_ms=NOW), must_claim(database, lease_ms=NOW)
    with database.write() as session:
        assert renew_leases(session, [(kept.chunk_id, kept.token)], lease_ms=60_000) == {kept.chunk_id}
    assert _reap(database) == [lost.chunk_id]
    with database.write() as session:
        held = [(kept.chunk_id, kept.token), (lost.chunk_id, lost.token)]
        assert renew_leases(session, held, lease_ms=60_000) == {kept.chunk_id}
        many = [(number, 1) for number in range(10_000, 12_000)]
        assert renew_leases(session, [*held, *many], lease_ms=60_000) == {kept.chunk_id}


def test_a_worker_that_comes_back_frees_its_own_chunks_only(database: Database, tenant: str) -> None:
    make_job(database, tenant, items=8)
    mine, other = must_claim(database, "mine"), must_claim(database, "other")
    with database.write() as session:
        assert reap_leases(session, max_attempts=3, worker="mine") == [mine.chunk_id]
    with database.write() as session:
        store_results(session, other, successes(other))


def test_a_released_chunk_is_claimed_again_and_has_not_been_tried(database: Database, tenant: str) -> None:
    make_job(database, tenant, items=4)
    first = must_claim(database)
    with database.write() as session:
        release_chunk(session, first)
    assert must_claim(database).attempts == 1


def test_an_item_that_kills_workers_is_found_and_fails_alone(database: Database, tenant: str) -> None:
    """Simulates a worker that dies whenever item 5 is in its hands, and stores everything else."""
    job = make_job(database, tenant, items=8, chunk=8)
    for _ in range(60):
        mine = claim(database, lease_ms=NOW)
        if mine is not None and mine.attempts >= 3:
            with database.write() as session:
                mark_alone(session, mine)
        if mine is None:
            if not _reap(database):
                break
        elif all(item.seq != 5 for item in mine.items):
            with database.write() as session:
                store_results(session, mine, successes(mine))
        else:
            _reap(database)
    with database.read() as session:
        rows = page_results(session, job)
        done = find_job(session, tenant, job)
    assert [row["seq"] for row in rows] == list(range(8))
    assert [row["seq"] for row in rows if row["error"]] == [5]
    assert rows[5]["error"]["code"] == "worker_crashed"
    assert (done.state, done.succeeded, done.failed) == (JobState.COMPLETED, 7, 1)


def test_interactive_goes_before_bulk(database: Database, tenant: str) -> None:
    make_job(database, tenant, items=8, priority=Priority.BULK)
    must_claim(database)
    quick = make_job(database, tenant, items=2)
    assert must_claim(database).job_id == quick


def test_dying_beside_others_is_nobodys_fault(database: Database, tenant: str) -> None:
    """However often a worker dies, a chunk that it did not have alone in hand is given out again."""
    make_job(database, tenant, items=1)
    for _ in range(9):
        must_claim(database, lease_ms=NOW)
        assert len(_reap(database)) == 1
    mine = must_claim(database)
    assert mine.attempts == 10
    with database.write() as session:
        store_results(session, mine, successes(mine))


def _other(database: Database, name: str) -> str:
    with database.write() as session:
        return keys.create_tenant(session, name, "whsec_x")


def test_tenants_take_turns(database: Database, tenant: str) -> None:
    other = _other(database, "other")
    make_job(database, tenant, items=80)
    must_claim(database)
    make_job(database, other, items=80)
    order = [must_claim(database).tenant_id for _ in range(10)]
    assert 4 <= order.count(other) <= 6


def test_a_tenant_that_returns_does_not_hold_the_others_up(database: Database, tenant: str) -> None:
    """Having been idle earns no credit: the two alternate from now on."""
    make_job(database, tenant, items=400)
    for _ in range(50):
        must_claim(database)
    late = _other(database, "late")
    make_job(database, late, items=80)
    order = [must_claim(database).tenant_id for _ in range(10)]
    assert 4 <= order.count(late) <= 6


def test_a_new_tenant_at_an_idle_service_does_not_lock_the_old_one_out(database: Database, tenant: str) -> None:
    make_job(database, tenant, items=400)
    while claim(database) is not None:
        pass
    make_job(database, _other(database, "new"), items=400)
    make_job(database, tenant, items=40)
    order = [must_claim(database).tenant_id for _ in range(10)]
    assert 4 <= order.count(tenant) <= 6


def test_a_small_job_does_not_wait_for_the_big_one_before_it(database: Database, tenant: str) -> None:
    make_job(database, tenant, items=400, priority=Priority.BULK)
    for _ in range(10):
        must_claim(database)
    small = make_job(database, tenant, items=8, priority=Priority.BULK)
    order = [must_claim(database).job_id for _ in range(5)]
    assert order.count(small) == 2


def test_a_chunk_split_while_its_job_is_cancelled_does_not_escape(postgres_url: str) -> None:
    """On PostgreSQL the cancelling UPDATE does not see halves that are inserted while it waits for the whole."""
    with fresh_database(postgres_url, "test_" + new_id().replace("-", "")) as url:
        database = Database(Settings(database_url=url).sql_url)
        migrate(database)
        tenant = _other(database, "acme")
        job = make_job(database, tenant, items=8, chunk=8)
        for _ in range(3):
            mine = must_claim(database, lease_ms=NOW)
            if mine.attempts < 3:
                _reap(database)
        with database.write() as session:
            mark_alone(session, mine)
        canceller = threading.Thread(target=_cancel, args=(database, tenant, job))
        with database.write() as session:
            assert reap_leases(session, max_attempts=3) == [mine.chunk_id]  # split, not committed yet
            canceller.start()
            until(lambda: _waits_for_a_lock(database), what="the cancelling UPDATE to wait")
        canceller.join()
        with database.read() as session:
            done = find_job(session, tenant, job)
            assert (done.state, done.cancelled) == (JobState.CANCELLED, 8)
        assert claim(database) is None
        database.close()


def _cancel(database: Database, tenant: str, job: str) -> None:
    with database.write() as session:
        cancel_job(session, tenant, job)


def _waits_for_a_lock(database: Database) -> bool:
    with database.read() as session:
        return bool(session.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one())


def test_cancelling_takes_the_chunk_from_whoever_works_on_it(database: Database, tenant: str) -> None:
    job = make_job(database, tenant, items=8)
    first, second = must_claim(database), must_claim(database)
    with database.write() as session:
        store_results(session, first, successes(first))
    with database.write() as session:
        assert cancel_job(session, tenant, job).state == JobState.CANCELLED
    with pytest.raises(LeaseLost), database.write() as session:
        store_results(session, second, successes(second))
    with database.read() as session:
        done = find_job(session, tenant, job)
        assert (done.succeeded, done.cancelled) == (4, 4)


def test_storing_and_cancelling_race_without_losing_an_item(database: Database, tenant: str) -> None:
    for _ in range(5):
        job = make_job(database, tenant, items=40)
        mine = [must_claim(database) for _ in range(5)]
        start = threading.Barrier(2)

        def store(mine: list = mine, start: threading.Barrier = start) -> None:  # type: ignore[type-arg]
            start.wait()
            for claimed in mine:
                try:
                    with database.write() as session:
                        store_results(session, claimed, successes(claimed))
                except LeaseLost:
                    return

        thread = threading.Thread(target=store)
        thread.start()
        start.wait()
        with database.write() as session:
            cancel_job(session, tenant, job)
        thread.join()
        with database.read() as session:
            done = find_job(session, tenant, job)
            assert done.succeeded + done.cancelled == 40
            assert len(page_results(session, job)) == done.succeeded


def test_a_job_whose_items_all_fail_has_failed(database: Database, tenant: str) -> None:
    job = make_job(database, tenant, items=3)
    mine = must_claim(database)
    failure = ItemError("image_truncated", "The file ends in the middle.")
    with database.write() as session:
        store_results(session, mine, [ItemResult(item, error=failure) for item in mine.items])
    with database.read() as session:
        assert find_job(session, tenant, job).state == JobState.FAILED
        assert {row["error"]["code"] for row in page_results(session, job)} == {"image_truncated"}


def test_results_that_are_not_the_chunks_items_are_refused(database: Database, tenant: str) -> None:
    make_job(database, tenant, items=4)
    mine = must_claim(database)
    with pytest.raises(ValueError), database.write() as session:
        store_results(session, mine, successes(mine)[:-1])


def test_what_was_interactive_costs_nothing_at_bulk(database: Database, tenant: str) -> None:
    """Shares are counted by priority: who has had much interactive work is not behind with its bulk work."""
    with database.write() as session:
        other = keys.create_tenant(session, "other", "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0")
    make_job(database, tenant, items=64, chunk=64)
    must_claim(database)
    for owner in (other, tenant):
        make_job(database, owner, items=20, chunk=2, priority=Priority.BULK)
    owners = [must_claim(database).tenant_id for _ in range(10)]
    assert Counter(owners) == {tenant: 5, other: 5}


def test_a_chunk_that_is_put_back_waits_for_its_time_and_costs_nothing(database: Database, tenant: str) -> None:
    job = make_job(database, tenant, items=4, chunk=4)
    claimed = must_claim(database)
    with database.write() as session:
        release_chunk(session, claimed, delay_ms=3_600_000)
    assert claim(database) is None
    with database.read() as session:
        chunk = session.query(Chunk).filter_by(job_id=job).one()
        owner = session.get_one(Tenant, tenant)
        assert (chunk.state, chunk.attempts, owner.served_interactive) == ("pending", 0, 0)
    with database.write() as session:
        session.query(Chunk).update({"due_at": 0})
    assert must_claim(database).chunk_id == claimed.chunk_id


def test_part_of_a_chunk_is_stored_and_the_rest_run_by_somebody_else(database: Database, tenant: str) -> None:
    job = make_job(database, tenant, items=6, chunk=6)
    claimed = must_claim(database)
    with database.write() as session:
        rest = store_some(session, claimed, [successes(claimed)[at] for at in (4, 1)])
    assert [item.seq for item in rest.items] == [0, 2, 3, 5]
    with database.read() as session:
        assert first_open(session, job) == 0
        assert find_job(session, tenant, job).succeeded == 2
    with database.write() as session, pytest.raises(ValueError):
        store_some(session, rest, successes(rest))
    with database.write() as session:
        reap_leases(session, max_attempts=3, worker="w1")
    with database.write() as session, pytest.raises(LeaseLost):
        store_results(session, rest, successes(rest))
    again = must_claim(database, "w2")
    assert [item.seq for item in again.items] == [0, 2, 3, 5]
    with database.write() as session:
        store_results(session, again, successes(again))
    assert [row["seq"] for row in stream_results(database, job)] == list(range(6))
    with database.read() as session:
        found = find_job(session, tenant, job)
        assert (found.state, found.succeeded) == ("completed", 6)
