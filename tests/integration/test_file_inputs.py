"""Photos on the service's own machine as inputs: what the API takes and refuses, in every form of submission."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from api.services import KEY
from db.claims import claim_chunk
from db.engine import Database
from tests.support.api import Caller

URL = "https://photos.example/a.jpg"
NOT_HERE = "/nowhere/on/this/machine"


@pytest.fixture
def photos(app: Flask, tmp_path: Path) -> Path:
    """A folder that photos may be read from; another one is on the workers alone."""
    folder = tmp_path / "photos"
    (folder / "2024").mkdir(parents=True)
    (folder / "2024" / "a.jpg").write_bytes(b"photo")
    (folder / "out.jpg").symlink_to("/etc/passwd")
    (folder / "out").symlink_to("/etc")
    services = app.extensions[KEY]
    settings = services.settings.model_copy(update={"folders": (str(folder), NOT_HERE)})
    app.extensions[KEY] = dataclasses.replace(services, settings=settings)
    return folder


def claimed(database: Database) -> list[tuple[str, str, str]]:
    with database.write() as session:
        claim = claim_chunk(session, queue="image", worker="w", lease_ms=1000)
    assert claim is not None
    return [(item.id, item.kind, item.ref) for item in claim.items]


def bodies(path: str) -> dict[str, bytes]:
    """One file behind a URL, in each form of submission."""
    one = json.dumps({"id": "mine", "file": path})
    return {
        "application/json": json.dumps({"tasks": ["classify"], "inputs": [URL, json.loads(one)]}).encode(),
        "application/x-ndjson": f'"{URL}"\n\n{one}\n'.encode(),
        "text/csv": f"id,url,file\n0,{URL},\nmine,,{path}\n".encode(),
    }


def send(acme: Caller, content_type: str, body: bytes) -> Any:
    query = "" if content_type == "application/json" else "?tasks=classify"
    return acme.send("POST", f"/v1/jobs{query}", data=body, content_type=content_type)


@pytest.mark.parametrize("content_type", ["application/json", "application/x-ndjson", "text/csv"])
def test_a_file_below_the_folders_is_accepted(
    acme: Caller, database: Database, photos: Path, content_type: str
) -> None:
    """Also one that is not there, and one of a folder that only workers have: that is for them to say."""
    for path in (f"{photos}/2024/a.jpg", f"{photos}/none.jpg", f"{NOT_HERE}/a.jpg"):
        answer = send(acme, content_type, bodies(path)[content_type])
        assert answer.status_code == 202, answer.text
        assert claimed(database) == [("0", "url", URL), ("mine", "file", path)]


@pytest.mark.parametrize("content_type", ["application/json", "application/x-ndjson", "text/csv"])
def test_a_file_elsewhere_is_refused_and_nothing_is_stored(acme: Caller, photos: Path, content_type: str) -> None:
    """Fails if links are not resolved, or a path is judged by its beginning alone."""
    where = {"application/json": "/inputs/1/file", "text/csv": "line 3"}.get(content_type, "line 3")
    for path in (
        *("/etc/passwd", f"{photos}/out.jpg", f"{photos}/out/passwd", f"{photos}/2024/../2024/a.jpg"),
        *(f"{photos}2/a.jpg", "photos/a.jpg", f"{NOT_HERE}/../a.jpg", "~/a.jpg"),
    ):
        answer = send(acme, content_type, bodies(path)[content_type])
        assert (answer.status_code, answer.json["code"], answer.json["where"]) == (422, "folder_not_allowed", where)
        assert "passwd" not in answer.json["detail"]
    assert acme.jobs() == []


def test_files_are_no_inputs_of_text_tasks(acme: Caller, photos: Path) -> None:
    body = {"tasks": ["sentiment"], "inputs": [{"file": f"{photos}/2024/a.jpg"}]}
    answer = acme.send("POST", "/v1/jobs", json=body)
    assert (answer.status_code, answer.json["code"]) == (422, "input_kind_mismatch")
