"""Uploads."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import update

from api.app import close_app, create_app
from core.settings import Settings
from core.storage.uploads import open_upload_store
from db.engine import Database
from db.tables import UploadFile
from scheduler.upload_chores import UploadChores
from tests.support.api import Caller


def photo(width: int = 40, height: int = 30) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(buffer, "JPEG")
    return buffer.getvalue()


def upload(caller: Caller, data: bytes, field: str = "file") -> Any:
    return caller.send("POST", "/v1/uploads", data={field: (io.BytesIO(data), "photo.jpg")})


def test_an_upload_is_stored_once_and_can_be_named_in_a_job(acme: Caller, rival: Caller, app: Any) -> None:
    data = photo()
    answer = upload(acme, data)
    assert answer.status_code == 201
    stored = answer.json
    sha256 = hashlib.sha256(data).hexdigest()
    assert stored == {"id": stored["id"], "sha256": sha256, "bytes": len(data), "width": 40, "height": 30}
    assert acme.get(answer.headers["Location"].replace("http://localhost", "")).json == stored
    assert upload(acme, data).json["id"] == stored["id"]
    settings: Settings = app.extensions["tagline"].settings
    assert open_upload_store(settings).get(sha256) == data
    assert acme.submit([{"upload": stored["id"]}])["counts"]["total"] == 1
    refused = rival.send("POST", "/v1/jobs", json={"tasks": ["classify"], "inputs": [{"upload": stored["id"]}]})
    assert (refused.status_code, refused.json["code"]) == (422, "upload_unknown")
    assert rival.get(f"/v1/uploads/{stored['id']}").status_code == 404


def test_what_is_no_image_is_refused(acme: Caller) -> None:
    for data, code in ((b"", "image_empty"), (b"hello", "image_unsupported"), (photo()[:60], "image_truncated")):
        answer = upload(acme, data)
        assert (answer.status_code, answer.json["code"]) == (422, code)


def test_odd_forms_are_refused(acme: Caller) -> None:
    assert upload(acme, photo(), field="photo").json["code"] == "file_missing"
    assert acme.send("POST", "/v1/uploads", data=photo(), content_type="image/jpeg").status_code == 415
    cut = acme.send("POST", "/v1/uploads", data=b"x", content_type="multipart/form-data")
    assert cut.json["code"] == "file_missing"
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n%b\r\n--b--\r\n'
    body = form % (b"x" * (33 * 1024 * 1024))
    huge = acme.send("POST", "/v1/uploads", data=body, content_type="multipart/form-data; boundary=b")
    assert (huge.status_code, huge.json["code"]) == (413, "upload_too_large")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (
            "application/json",
            '{{"tasks": ["classify"], "inputs": ["http://p.example/1", {{"upload": "{}"}}]}}',
        ),
        ("application/x-ndjson", '"http://photos.example/1.jpg"\n{{"upload": "{}"}}\n'),
        ("text/csv", "id,upload\n1,{}\n"),
    ],
)
def test_an_upload_is_removed_when_no_unfinished_job_needs_it(
    acme: Caller, rival: Caller, content_type: str, body: str
) -> None:
    made = upload(acme, photo()).json["id"]
    place = f"/v1/uploads/{made}"
    query = "" if content_type == "application/json" else "?tasks=classify"
    job = acme.send("POST", f"/v1/jobs{query}", data=body.format(made), content_type=content_type).json
    refused = acme.send("DELETE", place)
    assert (refused.status_code, refused.json["code"]) == (409, "upload_in_use")
    assert job["id"] in refused.json["detail"]
    assert rival.send("DELETE", place).json["code"] == "upload_not_found"
    assert acme.get(place).status_code == 200
    assert acme.send("POST", f"/v1/jobs/{job['id']}/cancel").status_code == 200
    gone = acme.send("DELETE", place)
    assert (gone.status_code, gone.data) == (204, b"")
    assert acme.get(place).status_code == acme.send("DELETE", place).status_code == 404
    again = acme.send("POST", "/v1/jobs", json={"tasks": ["classify"], "inputs": [{"upload": made}]})
    assert again.json["code"] == "upload_unknown"


def test_a_streamed_job_of_many_uploads_holds_each_of_them(acme: Caller) -> None:
    """The bodies' chunks of four lie on disk between; the names of their uploads must come back with them."""
    made = [upload(acme, photo(20 + n)).json["id"] for n in range(9)]
    lines = "".join(f'{{"upload": "{one}"}}\n' for one in made)
    assert acme.stream(lines.encode(), "application/x-ndjson").status_code == 202
    assert {acme.send("DELETE", f"/v1/uploads/{one}").status_code for one in made} == {409}


def test_a_tenants_uploads_have_a_quota(
    database: Database, database_url: str, redis_url: str, tmp_path: Path, acme: Caller
) -> None:
    one, two = photo(40, 30), photo(41, 30)
    quota = len(one) + len(two) - 1
    limited = create_app(
        Settings(database_url=database_url, redis_url=redis_url, data_dir=tmp_path, upload_quota_bytes=quota)
    )
    caller = Caller(limited.test_client(), acme.key)
    first = upload(caller, one)
    refused = upload(caller, two)
    assert (refused.status_code, refused.json["code"]) == (413, "upload_quota_exceeded")
    assert "DELETE /v1/uploads/ID" in refused.json["detail"]
    assert upload(caller, one).json == first.json
    assert not (tmp_path / "uploads" / hashlib.sha256(two).hexdigest()[:2]).exists()  # refused before it was stored
    caller.send("DELETE", f"/v1/uploads/{first.json['id']}")
    assert upload(caller, two).status_code == 201
    close_app(limited)


def test_an_upload_whose_bytes_went_while_they_were_stored_is_stored_again(
    acme: Caller, app: Any, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when storing takes more than an hour, and the scheduler clears away what it takes for left behind."""
    store = app.extensions["tagline"].uploads
    put, times = store.put, []

    def slow_put(data: bytes) -> str:
        sha256: str = put(data)
        times.append(sha256)
        if len(times) == 1:
            with database.write() as session:
                session.execute(update(UploadFile).values(check_at=1))
            UploadChores(database, store, Settings()).remove_bytes()
        return sha256

    monkeypatch.setattr(store, "put", slow_put)
    data = photo(50, 60)
    assert upload(acme, data).status_code == 201
    assert len(times) == 2
    assert store.get(times[0]) == data
