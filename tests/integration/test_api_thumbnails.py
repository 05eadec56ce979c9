"""Thumbnails over HTTP: to their tenant alone, once, and never a damaged one."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from api.services import KEY
from core.images.thumbnail import encode_thumbnail
from core.storage.blobs import Blobs
from db.clock import current_ms
from db.engine import Database
from db.tables import ApiKey
from db.thumbnails import add_thumbnails, thumbnails_there
from tests.support.api import Caller
from tests.support.photos import SAMPLES

CAT = (SAMPLES / "cat.jpg").read_bytes()
NAME = hashlib.sha256(CAT).hexdigest()


def _tenant(database: Database, caller: Caller) -> str:
    sha256 = hashlib.sha256(caller.key.encode()).hexdigest()
    with database.read() as session:
        return session.scalars(select(ApiKey.tenant_id).where(ApiKey.sha256 == sha256)).one()


@pytest.fixture
def store(app: Flask) -> Blobs:
    found: Blobs = app.extensions[KEY].thumbnails
    return found


@pytest.fixture
def picture(app: Flask, database: Database, acme: Caller, store: Blobs) -> bytes:
    """The cat's, of acme."""
    from core.images.decode import decode_thumbnail

    data = encode_thumbnail(decode_thumbnail(CAT, 10**8))
    with database.write() as session:
        since = current_ms(session)
    store.put(NAME, data)
    with database.write() as session:
        add_thumbnails(session, _tenant(database, acme), [bytes.fromhex(NAME)], since)
    return data


def test_its_tenant_gets_it_once_and_for_ever(acme: Caller, picture: bytes) -> None:
    answer = acme.get(f"/v1/thumbnails/{NAME}")
    assert (answer.status_code, answer.content_type, answer.data) == (200, "image/webp", picture)
    assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    again = acme.get(f"/v1/thumbnails/{NAME}", If_None_Match=answer.headers["ETag"])
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == answer.headers["ETag"]
    head = acme.send("HEAD", f"/v1/thumbnails/{NAME}")
    assert (head.status_code, head.data, int(head.headers["Content-Length"])) == (200, b"", len(picture))


def test_others_cannot_tell_that_it_is_there(acme: Caller, rival: Caller, picture: bytes) -> None:
    """Fails if somebody learnt which photos others have, even by what they have cached."""
    nothing = "0" * 64
    for path, headers in (
        (f"/v1/thumbnails/{NAME}", {}),
        (f"/v1/thumbnails/{NAME}", {"If_None_Match": f'"{NAME}"'}),
        (f"/v1/thumbnails/{nothing}", {}),
    ):
        answer = rival.get(path, **headers)
        assert (answer.status_code, answer.json["code"]) == (404, "thumbnail_not_found")
        assert answer.json["detail"] == f"There is no thumbnail of {path.rpartition('/')[2]}."
        assert "max-age" not in answer.headers["Cache-Control"]
        assert "ETag" not in answer.headers


@pytest.mark.parametrize("name", [NAME.upper(), NAME[:-1], "../" + NAME, NAME + "%00", "x" * 64])
def test_what_is_no_sha256_leads_nowhere(acme: Caller, name: str) -> None:
    assert acme.get(f"/v1/thumbnails/{name}").json["code"] == "not_found"


def test_without_a_key_there_is_nothing(app: Flask, picture: bytes) -> None:
    assert app.test_client().get(f"/v1/thumbnails/{NAME}").status_code == 401
    page = app.test_client().get(f"/thumbnails/{NAME}")
    assert (page.status_code, page.headers["Location"].split("?")[0]) == (303, "/login")


@pytest.mark.parametrize("damage", ["gone", "cut off"])
def test_one_that_was_damaged_is_not_shown_and_can_be_made_again(
    acme: Caller, database: Database, store: Blobs, picture: bytes, damage: str
) -> None:
    if damage == "gone":
        store.delete(NAME)
    else:
        store.put(NAME, picture[:-5])
    assert acme.get(f"/v1/thumbnails/{NAME}").json["code"] == "thumbnail_not_found"
    with database.read() as session:
        assert thumbnails_there(session, _tenant(database, acme), [NAME]) == frozenset()


def test_a_store_that_cannot_be_read_is_said_so_and_nothing_is_forgotten(
    app: Flask, acme: Caller, database: Database, picture: bytes, tmp_path: Path
) -> None:
    place = tmp_path / "thumbnails" / NAME[:2] / NAME[2:4] / NAME
    place.unlink()
    place.mkdir()  # reading a folder is an OSError
    answer = acme.get(f"/v1/thumbnails/{NAME}")
    assert (answer.status_code, answer.json["code"]) == (503, "storage_unavailable")
    with database.read() as session:
        assert thumbnails_there(session, _tenant(database, acme), [NAME]) == {NAME}
