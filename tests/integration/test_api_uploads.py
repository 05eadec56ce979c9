"""Uploads."""

from __future__ import annotations

import hashlib
import io
from typing import Any

from PIL import Image

from core.settings import Settings
from core.storage.uploads import open_upload_store
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
