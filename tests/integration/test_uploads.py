"""Uploads as rows and bytes: once a tenant, kept while a job needs them, gone when nobody does; with their races."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core.errors import Conflict, ItemError, NotFound, RequestError
from core.ids import new_id
from core.inputs import InputItem, ItemResult, cut_chunks
from core.settings import Settings
from core.storage.uploads import FolderUploads
from db import keys, upkeep, upload_files
from db.engine import Database
from db.jobs import cancel_job, create_job, delete_job, retry_job
from db.store import store_results
from db.tables import Job, Tenant, Upload, UploadFile, UploadUse
from db.upload_removal import DAY_MS, delete_upload, expire_uploads
from db.uploads import find_upload, record_upload
from jobs.plan import JobPlan
from scheduler.upload_chores import UploadChores
from tests.support.jobs import must_claim
from tests.support.races import Race

DATA = b"a photo"
NAME = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> FolderUploads:
    return FolderUploads(tmp_path / "uploads")


@pytest.fixture
def race(database: Database) -> Iterator[Race]:
    made = Race(database)
    yield made
    made.close()


def _steps(database: Database) -> Iterator[int]:
    """A first that is one transaction is alone on SQLite from its second statement on."""
    return iter((1, 2, 3)) if database.is_sqlite else count(1)


def _upload(database: Database, store: FolderUploads, tenant: str, data: bytes = DATA, quota_bytes: int = 0) -> str:
    """As the API does it."""
    sha256 = hashlib.sha256(data).hexdigest()
    while True:
        with database.write() as session:
            announced = upload_files.announce(session, sha256)
        store.put(data)
        with database.write() as session:
            if upload_files.hold(session, sha256, announced):
                return _record(session, tenant, data, quota_bytes)


def _record(session: Session, tenant: str, data: bytes = DATA, quota_bytes: int = 0) -> str:
    sha256 = hashlib.sha256(data).hexdigest()
    return record_upload(session, tenant, sha256=sha256, size=len(data), width=1, height=1, quota_bytes=quota_bytes)


def _job(session: Session, tenant: str, *uploads: str) -> str:
    items = [InputItem(seq, str(seq), "upload", ref) for seq, ref in enumerate(uploads)]
    plan = JobPlan(tenant_id=tenant, tasks=("classify",))
    return create_job(session, plan.row(len(items)), cut_chunks(items, 2), ttl_hours=24).id


def _taken(database: Database, tenant: str) -> int:
    with database.read() as session:
        return session.scalars(select(Tenant.upload_bytes).where(Tenant.id == tenant)).one()


def _other(database: Database, name: str = "other") -> str:
    with database.write() as session:
        return keys.create_tenant(session, name, "whsec_x")


def _clear_away(database: Database, store: FolderUploads) -> None:
    UploadChores(database, store, Settings()).remove_bytes()


def _clear_away_and_die(database: Database, store: FolderUploads) -> None:
    """The bytes are gone, the row is not."""

    def remove_and_die(sha256: str) -> None:
        store.delete(sha256)
        raise ConnectionError("the process is killed before the commit")

    with database.write() as session:
        upload_files.remove_file(session, NAME, remove_and_die)


def _let_time_pass(database: Database) -> None:
    """What was to be looked at some time is to be looked at now."""
    with database.write() as session:
        session.execute(update(UploadFile).where(UploadFile.check_at.is_not(None)).values(check_at=1))


# Once a tenant


def test_the_same_bytes_sent_twice_at_once_get_one_id_and_are_counted_once(
    database: Database, tenant: str, race: Race
) -> None:
    for step in _steps(database):
        data = f"photo {step}".encode()
        before = _taken(database, tenant)
        given: list[str] = []
        reached, raised = race.run(
            lambda s, data=data, given=given: given.append(_record(s, tenant, data)),  # type: ignore[misc]
            lambda s, data=data, given=given: given.append(_record(s, tenant, data)),  # type: ignore[misc]
            step,
        )
        assert raised == []
        if not reached:
            return
        assert len(given) == 2
        assert len(set(given)) == 1
        assert _taken(database, tenant) == before + len(data)


def test_two_at_once_do_not_get_past_the_quota(database: Database, tenant: str, race: Race) -> None:
    for step in _steps(database):
        other = _other(database, f"tenant {step}")
        acts = [lambda s, d=data, t=other: _record(s, t, d, quota_bytes=10) for data in (b"123456", b"654321")]  # type: ignore[misc]
        reached, raised = race.run(acts[0], acts[1], step)
        if not reached:
            return
        assert [error.code for error in raised if isinstance(error, RequestError)] == ["upload_quota_exceeded"]
        assert _taken(database, other) == 6


def test_a_quota_is_a_tenants_own_and_removing_makes_room(database: Database, tenant: str) -> None:
    with database.write() as session:
        first = _record(session, tenant, b"12345", quota_bytes=5)
        assert _record(session, tenant, b"12345", quota_bytes=5) == first  # again: it takes no more
    with pytest.raises(RequestError, match="5 bytes in all; 5 are taken"), database.write() as session:
        _record(session, tenant, b"6", quota_bytes=5)
    other = _other(database)
    with database.write() as session:
        _record(session, other, b"6", quota_bytes=5)
        delete_upload(session, tenant, first)
        _record(session, tenant, b"67", quota_bytes=5)
    assert (_taken(database, tenant), _taken(database, other)) == (2, 1)


# While a job needs it


def test_an_upload_stays_while_an_unfinished_job_names_it(database: Database, tenant: str) -> None:
    with database.write() as session:
        mine, unused = _record(session, tenant, b"1"), _record(session, tenant, b"2")
        job = _job(session, tenant, mine, mine, "no-such-upload", mine)
    stranger = _other(database)
    with database.write() as session:
        with pytest.raises(Conflict, match=f"upload_in_use.*{job}"):
            delete_upload(session, tenant, mine)
        for owner, upload in ((stranger, mine), (tenant, new_id())):
            with pytest.raises(NotFound):
                delete_upload(session, owner, upload)
        delete_upload(session, tenant, unused)
        cancel_job(session, tenant, job)
        delete_upload(session, tenant, mine)
        assert find_upload(session, tenant, mine) is None


def test_a_stranger_cannot_hold_an_upload_by_naming_it(database: Database, tenant: str) -> None:
    stranger = _other(database)
    with database.write() as session:
        mine = _record(session, tenant)
        _job(session, stranger, mine)
        delete_upload(session, tenant, mine)


def test_a_job_that_is_run_again_needs_its_uploads_again(database: Database, tenant: str) -> None:
    with database.write() as session:
        mine = _record(session, tenant)
        job = _job(session, tenant, mine)
    _fail(database)
    with database.write() as session:
        session.execute(UploadUse.__table__.delete())  # type: ignore[attr-defined]  # as of before migration 0002
        retry_job(session, tenant, job, chunk_size=4, ttl_hours=1)
        with pytest.raises(Conflict):
            delete_upload(session, tenant, mine)
        delete_job(session, tenant, job)
        delete_upload(session, tenant, mine)


def _fail(database: Database) -> None:
    mine = must_claim(database)
    failure = ItemError("image_truncated", "cut off")
    with database.write() as session:
        store_results(session, mine, [ItemResult(item, error=failure) for item in mine.items])


@pytest.mark.parametrize("first", ["delete", "submit"])
def test_removing_an_upload_races_submitting_a_job_that_names_it(
    database: Database, tenant: str, race: Race, first: str
) -> None:
    """Either the job came first and the upload is there, or the upload is gone and nothing refers to it."""
    for step in _steps(database):
        with database.write() as session:
            mine = _record(session, tenant, f"photo {step}".encode())
        acts: dict[str, Callable[[Session], object]] = {
            "delete": lambda s, mine=mine: delete_upload(s, tenant, mine),
            "submit": lambda s, mine=mine: _job(s, tenant, mine),
        }
        reached, raised = race.run(acts[first], acts["submit" if first == "delete" else "delete"], step)
        if not reached:
            return
        with database.read() as session:
            there = find_upload(session, tenant, mine) is not None
            used = session.scalars(select(UploadUse.upload_id).where(UploadUse.upload_id == mine)).all()
        assert [type(error) for error in raised] == ([Conflict] if there else [])
        assert used == ([mine] if there else [])


def test_the_uses_of_a_job_go_with_its_rows(database: Database, tenant: str) -> None:
    with database.write() as session:
        ids = [_record(session, tenant, str(n).encode()) for n in range(5)]
        job = _job(session, tenant, *ids)
        delete_job(session, tenant, job)
        while upkeep.purge(session):
            pass
        assert session.scalars(select(func.count()).select_from(UploadUse)).one() == 0
        assert session.scalars(select(func.count()).select_from(Upload)).one() == 5


# Retention


def _age(session: Session, upload: str, days: float) -> None:
    now = session.scalars(select(Upload.used_at).where(Upload.id == upload)).one()
    session.execute(update(Upload).where(Upload.id == upload).values(used_at=now - round(days * DAY_MS)))


def test_what_nobody_needed_for_long_goes_and_what_a_job_needs_stays(database: Database, tenant: str) -> None:
    with database.write() as session:
        names = ("forgotten", "fresh", "queued", "finished lately", "finished long ago", "sent again")
        ids = {name: _record(session, tenant, name.encode()) for name in names}
        for name in names:
            if name != "fresh":
                _age(session, ids[name], 100)
        _job(session, tenant, ids["queued"])
        for name, days in (("finished lately", 10), ("finished long ago", 99)):
            job = _job(session, tenant, ids[name])
            cancel_job(session, tenant, job)
            ended = session.scalars(select(Job.finished_at).where(Job.id == job)).one()
            assert ended is not None
            session.execute(update(Job).where(Job.id == job).values(finished_at=ended - days * DAY_MS))
        _record(session, tenant, b"sent again")
    with database.write() as session:
        assert expire_uploads(session, retention_days=90) == 4
        assert expire_uploads(session, retention_days=90) == 0  # what stays is not looked at again and again
        left = set(session.scalars(select(Upload.id)))
    assert left == {ids[name] for name in ("fresh", "queued", "finished lately", "sent again")}
    assert _taken(database, tenant) == sum(len(name) for name in ("fresh", "queued", "finished lately", "sent again"))


def test_the_scheduler_removes_old_uploads_and_then_their_bytes(
    database: Database, tenant: str, store: FolderUploads
) -> None:
    old, new = _upload(database, store, tenant), _upload(database, store, tenant, b"another")
    with database.write() as session:
        _age(session, old, 8)
    chores = UploadChores(database, store, Settings(upload_retention_days=7))
    chores.expire()
    _let_time_pass(database)
    chores.remove_bytes()
    with database.read() as session:
        assert session.scalars(select(Upload.id)).all() == [new]
    assert (store.has(NAME), store.has(hashlib.sha256(b"another").hexdigest())) == (False, True)


@pytest.mark.parametrize("first", ["expire", "submit"])
def test_expiring_races_submitting_a_job_that_names_the_upload(
    database: Database, tenant: str, race: Race, first: str
) -> None:
    for step in _steps(database):
        with database.write() as session:
            mine = _record(session, tenant, f"photo {step}".encode())
            _age(session, mine, 100)
        acts: dict[str, Callable[[Session], object]] = {
            "expire": lambda s: expire_uploads(s, retention_days=90),
            "submit": lambda s, mine=mine: _job(s, tenant, mine),
        }
        reached, raised = race.run(acts[first], acts["submit" if first == "expire" else "expire"], step)
        assert raised == []
        if not reached:
            return
        with database.read() as session:
            there = find_upload(session, tenant, mine) is not None
            used = session.scalars(select(UploadUse.upload_id).where(UploadUse.upload_id == mine)).all()
        assert used == ([mine] if there else [])


# The bytes


def test_bytes_go_when_no_tenants_upload_has_them(database: Database, tenant: str, store: FolderUploads) -> None:
    other = _other(database)
    mine, theirs = _upload(database, store, tenant), _upload(database, store, other)
    with database.write() as session:
        delete_upload(session, tenant, mine)
    _let_time_pass(database)
    _clear_away(database, store)
    assert store.get(NAME) == DATA
    with database.write() as session:
        delete_upload(session, other, theirs)
    _clear_away(database, store)
    assert not store.has(NAME)
    with database.read() as session:
        assert session.scalars(select(func.count()).select_from(UploadFile)).one() == 0
    again = _upload(database, store, tenant)
    with database.write() as session:
        delete_upload(session, tenant, again)
    _clear_away(database, store)
    assert store.get(NAME) == DATA  # somebody may be at it: the hour since the announcement is not over
    _let_time_pass(database)
    _clear_away(database, store)
    assert not store.has(NAME)


def test_who_dies_on_the_way_loses_nothing_and_leaves_nothing(
    database: Database, tenant: str, store: FolderUploads
) -> None:
    with database.write() as session:
        upload_files.announce(session, NAME)
    store.put(DATA)  # and the process is killed
    _let_time_pass(database)

    with pytest.raises(ConnectionError):
        _clear_away_and_die(database, store)
    _upload(database, store, tenant)  # the row was there, the bytes were not
    assert store.get(NAME) == DATA
    other = b"another"
    with database.write() as session:
        upload_files.announce(session, hashlib.sha256(other).hexdigest())
    store.put(other)
    _let_time_pass(database)
    _clear_away(database, store)
    assert not store.has(hashlib.sha256(other).hexdigest())
    assert store.get(NAME) == DATA


def test_storing_that_took_too_long_is_done_again(database: Database, tenant: str, store: FolderUploads) -> None:
    with database.write() as session:
        announced = upload_files.announce(session, NAME)
    store.put(DATA)
    with database.write() as session:
        assert upload_files.hold(session, NAME, announced)
        assert not upload_files.hold(session, NAME, announced - upload_files.GRACE_MS)
    _let_time_pass(database)
    _clear_away(database, store)
    with database.write() as session:
        assert not upload_files.hold(session, NAME, announced)


@pytest.mark.parametrize("first", ["upload", "clear"])
@pytest.mark.parametrize("start", ["left behind", "left behind, to one who dies", "another's last"])
def test_clearing_bytes_away_races_the_same_bytes_coming_again(
    database: Database, tenant: str, store: FolderUploads, race: Race, first: str, start: str
) -> None:
    """Whoever goes first at whichever statement: an upload that was accepted has its bytes, and no bytes are left
    behind for good."""
    other = _other(database)
    for step in count(1):
        theirs = _begin(database, store, other, start)

        def clear(theirs: str | None = theirs) -> None:
            if start == "another's last" and theirs is not None:
                with database.write() as session:
                    delete_upload(session, other, theirs)
            (_clear_away_and_die if start.endswith("dies") else _clear_away)(database, store)

        given: list[str] = []
        acts: dict[str, Callable[[], object]] = {
            "clear": clear,
            "upload": lambda given=given: given.append(_upload(database, store, tenant)),
        }
        reached, raised = race.run_all(acts[first], acts["upload" if first == "clear" else "clear"], step)
        assert [error for error in raised if not isinstance(error, ConnectionError)] == []
        if not reached:
            return
        assert store.get(NAME) == DATA, f"before statement {step}"
        with database.write() as session:
            delete_upload(session, tenant, given[0])
        _let_time_pass(database)
        _clear_away(database, store)
        assert not store.has(NAME), f"before statement {step}"


def _begin(database: Database, store: FolderUploads, other: str, start: str) -> str | None:
    """Bytes that may go: nobody's, or those of an upload that is about to be removed."""
    if start.startswith("left behind"):
        with database.write() as session:
            upload_files.announce(session, NAME)
        store.put(DATA)
        _let_time_pass(database)
        return None
    theirs = _upload(database, store, other)
    _let_time_pass(database)
    _clear_away(database, store)  # sees that they are needed, and need not be looked at any more
    return theirs


def test_a_store_that_does_not_answer_is_not_asked_while_a_row_is_locked(
    database: Database, tenant: str, store: FolderUploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    _begin(database, store, tenant, "left behind")

    def away(*_: Any) -> bool:
        with database.write() as session:  # nobody holds SQLite's one lock, nor the row's
            upload_files.announce(session, NAME)
        raise ConnectionError("the bucket is away")

    monkeypatch.setattr(store, "has", away)
    with pytest.raises(ConnectionError):
        _clear_away(database, store)
    assert store.get(NAME) == DATA
