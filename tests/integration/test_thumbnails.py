"""Thumbnails as rows and bytes: a row never promises bytes that are gone, they stay while they are needed, and go."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.orm import Session

from core.errors import LeaseLost
from core.inputs import ItemResult
from core.settings import Settings
from core.storage.blobs import FolderBlobs
from db import keys, thumbnail_upkeep
from db.claims import Claim
from db.clock import current_ms
from db.engine import Database
from db.library_tables import Library, LibraryPhoto
from db.store import store_results, store_some
from db.tables import Chunk
from db.thumbnail_tables import Thumbnail, ThumbnailFile
from db.thumbnails import DAY_MS, add_thumbnails, forget_thumbnail, thumbnails_there
from scheduler.thumbnail_chores import ThumbnailChores
from tests.support.jobs import make_job, must_claim, successes
from tests.support.races import Race
from tests.support.waiting import until


def _name(what: str) -> str:
    return hashlib.sha256(what.encode()).hexdigest()


CAT, DOG = _name("cat"), _name("dog")


@pytest.fixture
def store(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "thumbnails", durable=False)


@pytest.fixture
def race(database: Database) -> Iterator[Race]:
    made = Race(database)
    yield made
    made.close()


@pytest.fixture
def chores(database: Database, store: FolderBlobs) -> ThumbnailChores:
    return ThumbnailChores(database, store, Settings(retention_days=30))


def _other(database: Database) -> str:
    with database.write() as session:
        return keys.create_tenant(session, "other", "whsec_x")


def _now(database: Database) -> int:
    with database.read() as session:
        return current_ms(session)


def _make(database: Database, store: FolderBlobs, tenant: str, *names: str) -> None:
    """As a worker does it, in a millisecond of its own: a removal in the same one would count as later."""
    before = _now(database)
    until(lambda: _now(database) > before, what="the next millisecond")
    _make_now(database, store, tenant, *names)


def _make_now(database: Database, store: FolderBlobs, tenant: str, *names: str) -> None:
    """As a worker does it."""
    since = _now(database)
    for name in names:
        store.put(name, b"a picture")
    with database.write() as session:
        add_thumbnails(session, tenant, [bytes.fromhex(name) for name in names], since)


def _there(database: Database, tenant: str, *names: str) -> set[str]:
    with database.read() as session:
        return set(thumbnails_there(session, tenant, names or (CAT, DOG)))


def _let_time_pass(database: Database, *names: str) -> None:
    """What was to be looked at some time is to be looked at now; and these thumbnails were used long ago."""
    with database.write() as session:
        session.execute(update(ThumbnailFile).where(ThumbnailFile.check_at.is_not(None)).values(check_at=1))
        old = bytes_of(names)
        session.execute(
            update(Thumbnail).where(Thumbnail.sha256.in_(old)).values(used_at=Thumbnail.used_at - 31 * DAY_MS)
        )


def bytes_of(names: tuple[str, ...]) -> list[bytes]:
    return [bytes.fromhex(name) for name in names]


def _results(claim: Claim, *names: str, thumbnail: bool = True, **more: Any) -> list[ItemResult]:
    media = [{"sha256": name, "width": 1, "height": 1} for name in names]
    return [
        replace(result, media=each, thumbnail=thumbnail, **more)
        for result, each in zip(successes(claim), media, strict=False)
    ]


# With the results


def test_a_thumbnail_comes_with_its_results_and_for_its_tenant_alone(database: Database, tenant: str) -> None:
    other = _other(database)
    make_job(database, tenant, items=3, chunk=3)
    mine = must_claim(database)
    assert 0 <= _now(database) - mine.since < 10_000
    results = _results(mine, CAT, DOG, CAT)  # two photos of the same bytes
    results[1] = replace(results[1], thumbnail=False)
    with database.write() as session:
        store_results(session, mine, results)
    assert _there(database, tenant) == {CAT}
    assert _there(database, other) == set()


def test_what_is_stored_in_parts_brings_its_thumbnails_in_parts(database: Database, tenant: str) -> None:
    make_job(database, tenant, items=2, chunk=2)
    mine = must_claim(database)
    with database.write() as session:
        rest = store_some(session, mine, _results(mine, CAT)[:1])
    assert _there(database, tenant) == {CAT}
    with database.write() as session:
        store_results(session, rest, _results(rest, DOG))
    assert _there(database, tenant) == {CAT, DOG}


def test_a_chunk_that_was_lost_brings_nothing(database: Database, tenant: str) -> None:
    make_job(database, tenant, items=1, chunk=1)
    mine = must_claim(database)
    with database.write() as session:
        session.execute(update(Chunk).values(token=Chunk.token + 1))
    with pytest.raises(LeaseLost), database.write() as session:
        store_results(session, mine, _results(mine, CAT))
    assert _there(database, tenant) == set()


def test_an_item_more_is_no_statement_more(database: Database, tenant: str) -> None:
    """Fails if a row were read or written for each photo."""
    counted = []
    for items in (2, 40):
        make_job(database, tenant, items=items, chunk=items)
        mine = must_claim(database)
        results = _results(mine, *(_name(f"{items} {number}") for number in range(items)))
        seen: list[str] = []

        def note(*given: Any, seen: list[str] = seen) -> None:
            seen.append(given[2])

        event.listen(database.engine, "before_cursor_execute", note)
        with database.write() as session:
            store_results(session, mine, results)
        event.remove(database.engine, "before_cursor_execute", note)
        counted.append(len([statement for statement in seen if "thumbnail" in statement]))
    assert counted == [2, 2]


# When they go


def test_what_no_job_used_and_no_library_lists_goes_with_its_bytes(
    database: Database, tenant: str, store: FolderBlobs, chores: ThumbnailChores
) -> None:
    other, shown = _other(database), _name("shown")
    _make(database, store, tenant, CAT, DOG, shown)
    _make(database, store, other, CAT)
    _library(database, tenant, sha256=_name("new bytes"), shown=shown)
    _library(database, other, sha256=DOG)  # somebody else's library is no reason
    _let_time_pass(database, CAT, DOG, shown)
    with database.write() as session:
        session.execute(update(Thumbnail).where(Thumbnail.tenant_id == other).values(used_at=_now(database)))
    chores.expire()
    _let_time_pass(database)
    chores.remove_bytes()
    assert _there(database, tenant, CAT, DOG, shown) == {shown}
    assert _there(database, other) == {CAT}
    assert [store.has(name) for name in (CAT, DOG, shown)] == [True, False, True]
    with database.write() as session:  # what a library lists counts as used now
        assert thumbnail_upkeep.expire_thumbnails(session, retention_days=30) == 0


def test_a_photo_that_is_reused_keeps_its_thumbnail(
    database: Database, tenant: str, store: FolderBlobs, chores: ThumbnailChores
) -> None:
    _make(database, store, tenant, CAT, DOG)
    _let_time_pass(database, CAT, DOG)
    make_job(database, tenant, items=1, chunk=1)
    mine = must_claim(database)
    with database.write() as session:
        store_results(session, mine, _results(mine, CAT, thumbnail=False, reused=True, kept=True))
    chores.expire()
    assert _there(database, tenant) == {CAT}


def _library(database: Database, tenant: str, **photo: str) -> None:
    with database.write() as session:
        now = current_ms(session)
        mine = Library(
            id=_name(tenant)[:36], tenant_id=tenant, name="mine", tasks=[], options={}, models={}, write="none",
            write_threshold=0.5, base_url="", created_at=now, updated_at=now,
        )  # fmt: skip
        session.add(mine)
        session.flush()
        known = {name: bytes.fromhex(value) for name, value in photo.items()}
        session.add(LibraryPhoto(library=mine.number, key="a.jpg", updated_at=now, **known))


def test_bytes_that_lost_their_worker_go_and_those_of_a_slow_one_stay(
    database: Database, tenant: str, store: FolderBlobs, chores: ThumbnailChores, monkeypatch: pytest.MonkeyPatch
) -> None:
    since = _now(database)
    store.put(CAT, b"its worker is killed now")
    store.put(DOG, b"its worker takes its time")
    monkeypatch.setattr("scheduler.thumbnail_chores.SHELVES", (CAT[:2], DOG[:2]))
    for _ in range(4):
        chores.note_strays()
        chores.remove_bytes()
    assert store.has(CAT)  # for an hour it may still get its row
    with database.write() as session:
        add_thumbnails(session, tenant, [bytes.fromhex(DOG)], since)
    _let_time_pass(database)
    chores.remove_bytes()
    assert [store.has(name) for name in (CAT, DOG)] == [False, True]
    assert _there(database, tenant) == {DOG}


def test_a_thumbnail_whose_bytes_are_gone_is_nobodys_and_may_come_again(
    database: Database, tenant: str, store: FolderBlobs, chores: ThumbnailChores
) -> None:
    _make(database, store, tenant, CAT)
    store.delete(CAT)
    with database.write() as session:
        forget_thumbnail(session, CAT)
    assert _there(database, tenant) == set()
    chores.remove_bytes()
    _make(database, store, tenant, CAT)  # the mark of the removal is older
    assert _there(database, tenant) == {CAT}
    assert store.has(CAT)


def test_the_mark_of_a_removal_goes_after_a_day(
    database: Database, tenant: str, store: FolderBlobs, chores: ThumbnailChores
) -> None:
    _unneeded(database, store, tenant)
    chores.remove_bytes()
    assert [row.removed_at is not None for row in _files(database)] == [True]
    chores.remove_bytes()
    assert len(_files(database)) == 1
    _let_time_pass(database)
    chores.remove_bytes()
    assert _files(database) == []


def _files(database: Database) -> list[ThumbnailFile]:
    with database.read() as session:
        return list(session.scalars(select(ThumbnailFile)))


def _unneeded(database: Database, store: FolderBlobs, tenant: str) -> None:
    """A thumbnail that no tenant has any more, its bytes still there."""
    _make(database, store, tenant, CAT)
    with database.write() as session:
        forget_thumbnail(session, CAT)


@pytest.mark.parametrize("first", ["make", "remove"])
def test_making_a_thumbnail_races_removing_its_bytes(
    database: Database, tenant: str, store: FolderBlobs, chores: ThumbnailChores, race: Race, first: str
) -> None:
    """Fails if a row could promise bytes that are gone: a page would show a broken picture for a year."""
    acts: dict[str, Callable[[], object]] = {
        "make": lambda: _make_now(database, store, tenant, CAT),  # so many statements, and no other number
        "remove": chores.remove_bytes,
    }
    for step in iter((1, 2, 3, 4, 5)) if database.is_sqlite else count(1):
        _unneeded(database, store, tenant)
        reached, raised = race.run_all(acts[first], acts["remove" if first == "make" else "make"], step)
        assert raised == []
        assert _there(database, tenant) <= ({CAT} if store.has(CAT) else set())
        if not reached:
            return


@pytest.mark.parametrize("first", ["note", "expire"])
def test_noting_a_thumbnail_races_its_expiry(
    database: Database, tenant: str, store: FolderBlobs, race: Race, first: str
) -> None:
    """The one comes before the other: what was needed just now is there afterwards."""
    since = _now(database)
    for step in iter((1, 2, 3)) if database.is_sqlite else count(1):
        _make(database, store, tenant, CAT)
        _let_time_pass(database, CAT)
        acts: dict[str, Callable[[Session], object]] = {
            "note": lambda s: add_thumbnails(s, tenant, [bytes.fromhex(CAT)], since),
            "expire": lambda s: thumbnail_upkeep.expire_thumbnails(s, retention_days=30),
        }
        reached, raised = race.run(acts[first], acts["expire" if first == "note" else "note"], step)
        assert raised == []
        if not reached:
            return
        assert _there(database, tenant) == {CAT}


def test_bytes_removed_after_the_worker_stored_them_get_no_row(
    database: Database, tenant: str, store: FolderBlobs, chores: ThumbnailChores
) -> None:
    _unneeded(database, store, tenant)
    since = _now(database)
    store.put(CAT, b"a picture")
    chores.remove_bytes()
    with database.write() as session:
        add_thumbnails(session, tenant, [bytes.fromhex(CAT), bytes.fromhex(DOG)], since)
    assert _there(database, tenant) == {DOG}
