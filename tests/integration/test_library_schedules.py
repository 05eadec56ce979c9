"""Schedules as rows: each night exactly once, whoever looks; windows; one run of a library at a time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from core.artefacts.catalogue import Catalogue
from core.broker import Doorbell
from core.errors import Conflict
from core.settings import Settings
from core.states import RunStage, RunState
from db.clock import current_ms
from db.engine import Database
from db.libraries import find_library
from db.library_runs import add_run, list_runs
from db.library_tables import Library, LibraryRun
from jobs.fields import read_fields
from libraries.advance import Advancer
from libraries.due_libraries import start_due
from libraries.library_fields import LibraryFields
from libraries.manage import Surroundings, create_library
from libraries.runs import cancel_run
from tests.support.manifests import make

HOUR = 3_600_000


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    (tmp_path / "photos").mkdir()
    make(tmp_path / "models")
    (tmp_path / "models" / "defaults.json").write_text('{"classify": "toy"}')
    return Settings(
        database_url=database_url, redis_url=redis_url, data_dir=tmp_path / "data", folders=(str(tmp_path),),
        models_dir=tmp_path / "models",
    )  # fmt: skip


@pytest.fixture
def advancer(settings: Settings, database: Database) -> Iterator[Advancer]:
    doorbell = Doorbell(settings)
    yield Advancer(database, doorbell, settings, Catalogue(settings.models_dir))
    doorbell.close()


def _create(database: Database, settings: Settings, tenant: str, **schedule: Any) -> str:
    fields = {
        "name": "mine", "tasks": ["classify"], "source": {"folder": str(settings.folders[0]) + "/photos"},
        "schedule": {"cron": "0 2 * * *", "timezone": "Europe/Berlin", **schedule},
    }  # fmt: skip
    around = Surroundings(settings, Catalogue(settings.models_dir), ())
    with database.write() as session:
        return create_library(session, tenant, read_fields(LibraryFields, fields), around).id


def _make_due(database: Database, tenant: str, library_id: str, ago_ms: int = 1) -> int:
    with database.write() as session:
        library = find_library(session, tenant, library_id)
        library.next_due_at = current_ms(session) - ago_ms
        return library.next_due_at


def _runs(database: Database, tenant: str, library_id: str) -> list[LibraryRun]:
    with database.read() as session:
        return list(list_runs(session, find_library(session, tenant, library_id), limit=50))


def _library(database: Database, tenant: str, library_id: str) -> Library:
    with database.read() as session:
        return find_library(session, tenant, library_id)


def test_several_schedulers_start_each_night_once(database: Database, settings: Settings, tenant: str) -> None:
    ids = [_create(database, settings, tenant) for _ in range(4)]
    for library_id in ids:
        _make_due(database, tenant, library_id)
    with ThreadPoolExecutor(4) as pool:
        started = sum(pool.map(lambda _: start_due(database), range(8)))
    assert started == 4
    assert [len(_runs(database, tenant, library_id)) for library_id in ids] == [1] * 4
    assert all((_library(database, tenant, one).next_due_at or 0) > 10**12 for one in ids)


def test_nights_that_were_missed_are_made_up_once(database: Database, settings: Settings, tenant: str) -> None:
    library_id = _create(database, settings, tenant)
    _make_due(database, tenant, library_id, ago_ms=5 * 24 * HOUR)
    assert start_due(database) == 1
    [run] = _runs(database, tenant, library_id)
    with database.write() as session:
        cancel_run(session, tenant, library_id, run.id)
        now = current_ms(session)
    assert start_due(database) == 0
    assert 0 < (_library(database, tenant, library_id).next_due_at or 0) - now <= 25 * HOUR


def test_a_night_waits_for_the_run_before_and_is_made_up_then(
    database: Database, settings: Settings, tenant: str
) -> None:
    library_id = _create(database, settings, tenant)
    with database.write() as session:
        mine = find_library(session, tenant, library_id)
        run = add_run(session, mine, what="all")
        with pytest.raises(Conflict, match="run_in_progress"):
            add_run(session, mine, what="all")
    _make_due(database, tenant, library_id)
    assert [start_due(database), start_due(database)] == [0, 0]
    with database.write() as session:
        cancel_run(session, tenant, library_id, run.id)
    assert [start_due(database), start_due(database)] == [1, 0]
    assert len(_runs(database, tenant, library_id)) == 2


def _window(database: Database, *, opened: bool) -> str:
    """A window that is open now, or is not; in UTC."""
    with database.read() as session:
        hour = current_ms(session) // HOUR % 24
    begins = hour if opened else (hour + 3) % 24
    return f"{begins:02}:00-{(begins + 2) % 24:02}:00"


def test_a_run_pauses_at_the_end_of_its_window_and_goes_on_in_the_next(
    database: Database, settings: Settings, tenant: str, advancer: Advancer
) -> None:
    library_id = _create(database, settings, tenant, timezone="UTC", window=_window(database, opened=False))
    _make_due(database, tenant, library_id)
    assert start_due(database) == 1
    advancer.advance_all()
    [run] = _runs(database, tenant, library_id)
    assert (run.state, run.stage) == (RunState.QUEUED, RunStage.PIN)
    _set(database, run, window={**(run.window or {}), "window": _window(database, opened=True)})
    advancer.advance_all()
    [run] = _runs(database, tenant, library_id)
    assert run.stage == RunStage.LIST
    _set(database, run, state=RunState.RUNNING, stage=RunStage.ORDER, window=_closed(database, run))
    advancer.advance_all()
    assert _runs(database, tenant, library_id)[0].state == RunState.PAUSED
    _make_due(database, tenant, library_id)
    assert start_due(database) == 0  # the next night is this run's
    assert (_library(database, tenant, library_id).next_due_at or 0) > 10**12
    _set(database, run, window={**(run.window or {}), "window": _window(database, opened=True)})
    advancer.advance_all()
    assert _runs(database, tenant, library_id)[0].state == RunState.COMPLETED


def _closed(database: Database, run: LibraryRun) -> dict[str, Any]:
    return {**(run.window or {}), "window": _window(database, opened=False)}


def _set(database: Database, run: LibraryRun, **values: Any) -> None:
    with database.write() as session:
        there = session.get_one(LibraryRun, run.number)
        for name, value in values.items():
            setattr(there, name, value)
