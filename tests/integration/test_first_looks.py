"""Thumbnails of a library: made in its runs, and of photos that were run before, when somebody first looks."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("tensorflow")

from sqlalchemy import select, update

from core.settings import Settings
from core.storage.thumbnail_store import open_thumbnail_store, read_thumbnail
from db import thumbnail_requests
from db.engine import Database
from db.libraries import find_library
from db.library_tables import LibraryPhoto
from db.thumbnail_requests import Picture, PictureState, ask_pictures, pictures_of, take_requests
from db.thumbnail_tables import ThumbnailRequest
from tests.support.libraries import Library, library, write_models, write_photo
from worker.libraries import first_looks
from worker.libraries.first_looks import answer_requests


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for number in range(4):
        write_photo(folder / f"{number}.png", number)
    return folder


@pytest.fixture
def mine(
    request: pytest.FixtureRequest, database: Database, database_url: str, redis_url: str, models: Path, tenant: str,
    photos: Path, tmp_path: Path,
) -> Iterator[Library]:  # fmt: skip
    """A library whose photos were run; without thumbnails, unless the test asks for them."""
    settings = Settings(
        database_url=database_url, redis_url=redis_url, models_dir=models, data_dir=tmp_path / "data",
        folders=(str(photos.parent),), thumbnails=getattr(request, "param", "off"),
    )  # fmt: skip
    with library(settings, database, tenant) as opened:
        opened.create(source={"folder": str(photos)})
        assert opened.run()["state"] == "completed"
        yield opened


def _pictures(mine: Library) -> dict[str, Picture]:
    """By key."""
    keys = {int(photo["id"]): key for key, photo in mine.photos().items()}
    with mine.database.read() as session:
        found = pictures_of(session, find_library(session, mine.tenant, mine.id), list(keys))
    return {keys[number]: picture for number, picture in found.items()}


def _states(mine: Library) -> dict[str, str]:
    return {key: picture.state for key, picture in _pictures(mine).items()}


def _look(mine: Library) -> bool:
    """Open the page; True if anything was asked for."""
    keys = {key: int(photo["id"]) for key, photo in mine.photos().items()}
    seen = {keys[key]: picture for key, picture in _pictures(mine).items()}
    with mine.database.write() as session:
        return ask_pictures(session, find_library(session, mine.tenant, mine.id), seen)


def _answer(mine: Library) -> None:
    while answer_requests(mine.worker):
        pass


@pytest.mark.parametrize("mine", ["interactive", "all"], indirect=True)
def test_a_run_makes_thumbnails_of_what_it_decodes(mine: Library, photos: Path) -> None:
    store = open_thumbnail_store(mine.settings)
    for key, picture in _pictures(mine).items():
        assert picture.state == PictureState.THERE
        data = read_thumbnail(store, picture.sha256)
        assert data is not None
        with Image.open(io.BytesIO(data)) as shown, Image.open(photos / key) as photo:
            assert shown.size == photo.size
    assert not _look(mine)
    write_photo(photos / "new.png", 100)
    dry = mine.run(dry_run=True)
    assert dry["counts"]["new"] == 1
    mine.run()
    assert _states(mine)["new.png"] == "there"


@pytest.mark.parametrize("mine", ["all"], indirect=True)
def test_a_store_that_cannot_be_written_fails_no_photo(mine: Library, photos: Path) -> None:
    folder = mine.settings.data_dir / "thumbnails"
    folder.rename(folder.with_name("away"))
    folder.write_bytes(b"no folder")
    for number in range(4):
        write_photo(photos / f"{number}.png", 50 + number)
    run = mine.run()
    assert (run["state"], run["counts"]["succeeded"], run["counts"]["ran"]) == ("completed", 4, 4)
    assert set(_states(mine).values()) == {"wanted"}
    _look(mine)
    _answer(mine)
    assert {one.error_code for one in _pictures(mine).values()} == {"storage_unavailable"}


def test_photos_that_were_run_before_are_read_when_somebody_looks(mine: Library) -> None:
    assert _states(mine) == dict.fromkeys(mine.photos(), "wanted")
    assert _look(mine)
    assert not _look(mine)  # they have been asked for
    assert all(picture.asked for picture in _pictures(mine).values())
    _answer(mine)
    assert _states(mine) == dict.fromkeys(mine.photos(), "there")
    store = open_thumbnail_store(mine.settings)
    assert all(read_thumbnail(store, picture.sha256) for picture in _pictures(mine).values())
    assert not _look(mine)


def test_what_cannot_be_shown_says_why_and_is_not_asked_for_again(mine: Library, photos: Path) -> None:
    (photos / "0.png").unlink()
    write_photo(photos / "1.png", 99)  # other bytes than the labels are of
    times = os.stat(photos / "2.png")
    (photos / "2.png").write_bytes((photos / "2.png").read_bytes() + b"more")
    os.utime(photos / "2.png", ns=(times.st_atime_ns, times.st_mtime_ns))
    _look(mine)
    _answer(mine)
    found = _pictures(mine)
    assert {key: (one.state, one.error_code) for key, one in found.items()} == {
        "0.png": ("refused", "file_not_found"),
        "1.png": ("refused", "photo_changed"),
        "2.png": ("refused", "photo_changed"),
        "3.png": ("there", None),
    }
    assert not _look(mine)
    with mine.database.write() as session:
        session.execute(update(ThumbnailRequest).values(again_at=1))
    assert _look(mine)  # its time is over
    write_photo(photos / "0.png", 0)
    mine.run()
    _look(mine)
    _answer(mine)
    assert _states(mine)["0.png"] == "there"
    assert _states(mine)["1.png"] == "there"  # the library knows its new bytes


def test_a_new_photo_is_asked_for_though_the_old_one_was_refused(mine: Library, photos: Path) -> None:
    write_photo(photos / "1.png", 99)
    _look(mine)
    _answer(mine)
    assert _states(mine)["1.png"] == "refused"
    mine.run()
    assert _states(mine)["1.png"] == "wanted"
    assert _look(mine)
    _answer(mine)
    assert _states(mine)["1.png"] == "there"


def test_a_worker_that_dies_with_a_request_leaves_it_to_another(mine: Library) -> None:
    _look(mine)
    with mine.database.write() as session:
        assert len(take_requests(session)) == 4
    _answer(mine)  # they are in somebody's hands
    assert set(_states(mine).values()) == {"wanted"}
    with mine.database.write() as session:
        session.execute(update(ThumbnailRequest).values(taken_until=1))
    _answer(mine)
    assert set(_states(mine).values()) == {"there"}


def test_one_who_looks_at_much_does_not_fill_the_queue(mine: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnail_requests, "WAITING_AT_MOST", 3)
    assert _look(mine)
    assert not _look(mine)
    assert sum(picture.asked for picture in _pictures(mine).values()) == 3
    _answer(mine)
    assert _look(mine)
    _answer(mine)
    assert set(_states(mine).values()) == {"there"}


def test_one_tenants_photos_do_not_wait_for_all_of_anothers(mine: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    _look(mine)
    monkeypatch.setattr(thumbnail_requests, "TAKEN_AT_A_TIME", 2)
    with mine.database.write() as session:
        last = session.scalars(select(ThumbnailRequest.photo).order_by(ThumbnailRequest.photo.desc()).limit(1)).one()
        later = update(ThumbnailRequest).where(ThumbnailRequest.photo == last)
        session.execute(later.values(tenant_id="another", asked_at=ThumbnailRequest.asked_at + 1_000))
    with mine.database.write() as session:
        taken = take_requests(session)
    assert [one.tenant_id for one in taken] == [mine.tenant, "another"]


def test_a_host_that_does_not_answer_holds_nobody_up_for_ever(mine: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others of the batch are answered at once, and what does not come in time says so."""
    keys = {key: int(photo["id"]) for key, photo in mine.photos().items()}
    never: Future[bytes] = Future()
    read = first_looks._read

    def stubborn(context: Any, wanted: Any, memory: Any) -> Future[bytes]:
        return never if wanted.photo == keys["0.png"] else read(context, wanted, memory)

    monkeypatch.setattr(first_looks, "_read", stubborn)
    monkeypatch.setattr(first_looks, "READ_S", 1.0)
    _look(mine)
    _answer(mine)
    found = _pictures(mine)
    assert {key: one.state for key, one in found.items()} == {
        "0.png": "refused", "1.png": "there", "2.png": "there", "3.png": "there",
    }  # fmt: skip
    assert found["0.png"].error_code == "fetch_timeout"
    assert never.cancelled()


def test_what_was_never_read_has_no_picture(mine: Library) -> None:
    _look(mine)
    _answer(mine)
    with mine.database.write() as session:
        session.execute(update(LibraryPhoto).where(LibraryPhoto.key == "0.png").values(sha256=None))
    assert _states(mine)["0.png"] == "none"
    assert not _look(mine)
