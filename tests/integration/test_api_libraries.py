"""Photo libraries through HTTP, from making one to undoing a run, on both databases with a real worker's insides."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tensorflow")

from flask import Flask

from api.app import close_app, create_app
from core.settings import Settings
from core.states import RunState
from db import keys
from db.engine import Database
from tests.support.api import Caller
from tests.support.libraries import STEPS, Library, library, write_models, write_photo
from worker.libraries.directions import answer_questions

SECRET = "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
NOBODY = "00000000-0000-0000-0000-000000000000"
PHOTO_FIELDS = {"id", "key", "state", "sha256", "width", "height", "labels", "caption", "run_id", "updated_at"}
RUN_COUNTS = {
    "listed", "skipped", "new", "changed", "moved", "unchanged", "gone", "stale", "retried", "ran", "reused",
    "succeeded", "failed",
}  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_models(tmp_path_factory.mktemp("models"), captions=True)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for number in range(6):
        write_photo(folder / f"{number}.png", number)
    return folder


@pytest.fixture
def settings(database_url: str, redis_url: str, models: Path, photos: Path, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url, redis_url=redis_url, models_dir=models, data_dir=tmp_path / "data",
        folders=(str(photos.parent),), max_json_bytes=200_000,
    )  # fmt: skip


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    made = create_app(settings)
    yield made
    close_app(made)


@dataclass
class Mine:
    """A caller with a library, and what moves its runs."""

    caller: Caller
    inside: Library
    id: str = ""

    @property
    def path(self) -> str:
        return f"/v1/libraries/{self.id}"

    def create(self, **fields: Any) -> Any:
        answer = self.caller.send("POST", "/v1/libraries", json={"name": "mine", "tasks": ["tag"], **fields})
        if answer.status_code == 201:
            self.id = answer.json["id"]
        return answer

    def run(self, **fields: Any) -> Any:
        started = self.caller.send("POST", f"{self.path}/runs", json=fields)
        assert started.status_code == 202, started.text
        for _ in range(STEPS):
            self.inside.step()
            run = self.caller.get(f"{self.path}/runs/{started.json['id']}").json
            if RunState(run["state"]).finished:
                return run
        raise AssertionError(f"the run does not end: {run}")

    def photos(self, query: str = "") -> dict[str, Any]:
        """By key."""
        answer = self.caller.get(f"{self.path}/photos?{query}")
        assert answer.status_code == 200, answer.text
        return {photo["key"]: photo for photo in answer.json["data"]}


@pytest.fixture
def mine(app: Flask, database: Database, settings: Settings, tenant: str, photos: Path) -> Iterator[Mine]:
    with database.write() as session:
        key = keys.create_key(session, tenant, "mine")
    with library(settings, database, tenant) as inside:
        made = Mine(Caller(app.test_client(), key), inside)
        created = made.create(source={"folder": str(photos)}, tasks=["tag", "caption"])
        assert created.status_code == 201, created.text
        yield made


@pytest.fixture
def stranger(app: Flask, database: Database) -> Caller:
    with database.write() as session:
        other = keys.create_tenant(session, "stranger", SECRET)
        return Caller(app.test_client(), keys.create_key(session, other, "stranger"))


def _some(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def test_two_nights_with_a_correction_between_them(mine: Mine, photos: Path) -> None:
    first = mine.run()
    assert set(first["counts"]) == RUN_COUNTS
    assert (first["state"], _some(first["counts"])) == (
        "completed", {"listed": 6, "new": 6, "ran": 6, "succeeded": 6},
    )  # fmt: skip
    before = mine.photos()
    photo = before["2.png"]
    assert {"id", "key", "state", "sha256", "width", "height", "labels", "caption", "run_id", "updated_at"} <= set(
        photo
    )
    assert photo["sha256"] == hashlib.sha256((photos / "2.png").read_bytes()).hexdigest()
    assert (photo["width"], photo["height"], photo["run_id"]) == (16, 16, first["id"])
    wrong = photo["labels"][0]["label"]
    path = f"{mine.path}/photos/{photo['id']}"
    edited = mine.caller.send("PUT", f"{path}/labels", json={"add": ["My Dog"], "remove": [wrong]})
    assert edited.status_code == 200, edited.text
    assert edited.json["labels"][0] == {"label": "My Dog", "score": None, "by": "person"}
    assert wrong not in [label["label"] for label in edited.json["labels"]]
    told = mine.caller.send("PUT", f"{path}/caption", json={"text": "A dog."})
    assert told.json["caption"] == {"text": "A dog.", "score": None, "by": "person"}
    write_photo(photos / "6.png", 6)
    write_photo(photos / "0.png", 100)
    (photos / "1.png").rename(photos / "sub.png")
    second = mine.run()
    assert _some(second["counts"]) == {
        "listed": 7, "new": 1, "changed": 1, "moved": 1, "unchanged": 4, "ran": 2, "reused": 1, "succeeded": 3,
    }  # fmt: skip
    after = mine.photos()
    assert after["sub.png"]["id"] == before["1.png"]["id"]
    assert after["2.png"]["labels"] == edited.json["labels"]
    assert mine.caller.get(path).json == after["2.png"]
    assert set(mine.photos("label=my+dog&by=person")) == {"2.png"}
    assert mine.photos("label=my+dog&by=model") == {}
    assert set(mine.photos("q=sub")) == {"sub.png"}
    back = mine.caller.send("PUT", f"{path}/caption", json={"text": None}).json
    assert back["caption"] == before["2.png"]["caption"]
    again = mine.caller.send("PUT", f"{path}/labels", json={"add": [wrong]}).json
    assert [label["label"] for label in again["labels"]][:2] == ["My Dog", wrong]


def test_changes_in_all_their_forms_and_a_receipt(mine: Mine) -> None:
    run = mine.run()
    path = f"{mine.path}/runs/{run['id']}"
    pages, cursor = [], ""
    while cursor is not None:
        page = mine.caller.get(f"{path}/changes?limit=4{cursor and '&cursor=' + cursor}").json
        pages.append(len(page["data"]))
        cursor = page["next_cursor"]
    assert pages == [4, 2]
    stream = mine.caller.get(f"{path}/changes", Accept="application/x-ndjson")
    lines = [json.loads(line) for line in stream.text.splitlines()]
    assert {"photo_id", "key", "added", "removed", "kept", "caption", "why"} <= set(lines[0])
    assert {line["why"] for line in lines} == {"new"}
    assert lines[0]["caption"]["before"] is None
    assert lines[0]["caption"]["after"]
    table = list(csv.DictReader(io.StringIO(mine.caller.get(f"{path}/changes", Accept="text/csv").text)))
    assert [(row["key"], row["added"].split("\n")) for row in table] == [(li["key"], li["added"]) for li in lines]
    assert mine.caller.get(f"{path}/changes?kind=gone").json == {"data": [], "next_cursor": None}
    assert mine.caller.get(f"{path}/changes?limit=501").json["code"] == "parameter_invalid"
    receipt = mine.caller.get(f"{path}/receipt").json
    told = sorted(f'"{line["key"]}" new succeeded\n' for line in lines)
    assert receipt["sha256"] == hashlib.sha256("".join(told).encode()).hexdigest()
    assert (receipt["counts"], receipt["models"]) == (run["counts"], run["models"])


def test_undone_runs_and_runs_that_are_in_the_way(mine: Mine, photos: Path) -> None:
    mine.run()
    before = mine.photos()
    write_photo(photos / "0.png", 100)
    run = mine.run()
    undone = mine.caller.send("POST", f"{mine.path}/runs/{run['id']}/undo")
    assert (undone.status_code, undone.json["undone_at"] is None) == (200, False)
    assert mine.photos()["0.png"]["labels"] == before["0.png"]["labels"]
    again = mine.caller.send("POST", f"{mine.path}/runs/{run['id']}/undo")
    assert (again.status_code, again.json["code"]) == (409, "run_undone")
    started = mine.caller.send("POST", f"{mine.path}/runs")
    assert (started.status_code, started.json["what"], started.json["state"]) == (202, "changed", "queued")
    second = mine.caller.send("POST", f"{mine.path}/runs", json={"what": "all"})
    assert (second.status_code, second.json["code"]) == (409, "run_in_progress")
    early = mine.caller.get(f"{mine.path}/runs/{started.json['id']}/receipt")
    assert (early.status_code, early.json["code"]) == (409, "run_not_finished")
    for _ in range(2):
        cancelled = mine.caller.send("POST", f"{mine.path}/runs/{started.json['id']}/cancel")
        assert (cancelled.status_code, cancelled.json["state"]) == (200, "cancelled")
    finished = mine.caller.send("POST", f"{mine.path}/runs/{run['id']}/cancel")
    assert (finished.status_code, finished.json["code"]) == (409, "run_finished")
    listed = mine.caller.get(f"{mine.path}/runs?limit=2").json
    assert [one["state"] for one in listed["data"]] == ["cancelled", "completed"]
    rest = mine.caller.get(f"{mine.path}/runs?cursor={listed['next_cursor']}").json
    assert (len(rest["data"]), rest["next_cursor"]) == (1, None)
    assert mine.caller.jobs() == []


def test_a_stranger_finds_nothing(mine: Mine, stranger: Caller) -> None:
    """If a route forgot to look by tenant it would answer here with something else than 404."""
    run = mine.run()
    photo = next(iter(mine.photos().values()))["id"]
    paths = {
        "GET": ["", "/runs", f"/runs/{run['id']}", f"/runs/{run['id']}/changes", f"/runs/{run['id']}/receipt",
                "/photos", f"/photos/{photo}", "/labels", "/search?q=dog", "/deliveries"],
        "POST": ["/runs", f"/runs/{run['id']}/cancel", f"/runs/{run['id']}/undo"],
        "DELETE": [""],
    }  # fmt: skip
    asked = [(method, mine.path + path, {}) for method, some in paths.items() for path in some]
    asked += [
        ("PATCH", mine.path, {"json": {"name": "yours"}}),
        ("PUT", f"{mine.path}/photos/{photo}/labels", {"json": {"add": ["x"]}}),
        ("PUT", f"{mine.path}/photos/{photo}/caption", {"json": {"text": "x"}}),
        ("PUT", f"{mine.path}/manifest", {"data": "http://a.example/1.jpg", "content_type": "text/plain"}),
    ]
    for method, path, more in asked:
        answer = stranger.send(method, path, **more)
        assert (answer.status_code, answer.json["code"]) == (404, "library_not_found"), (method, path)
    for accept in ("application/x-ndjson", "text/csv"):
        assert stranger.get(f"{mine.path}/runs/{run['id']}/changes", Accept=accept).status_code == 404
    assert stranger.get("/v1/libraries").json["data"] == []
    other = stranger.send("POST", "/v1/libraries", json={"name": "a", "tasks": ["tag"]}).json["id"]
    for path in (f"runs/{run['id']}", f"photos/{photo}", "photos/abc", f"photos/{10**17}", f"runs/{NOBODY}"):
        answer = stranger.get(f"/v1/libraries/{other}/{path}")
        assert (answer.status_code, answer.json["code"][-10:]) == (404, "_not_found"), path


def test_search_pages_by_score(mine: Mine) -> None:
    mine.run()
    done = threading.Event()

    def answer_questions_soon() -> None:
        while not done.wait(0.02):
            answer_questions(mine.inside.worker)

    answering = threading.Thread(target=answer_questions_soon)
    answering.start()
    try:
        first = mine.caller.get(f"{mine.path}/search?q=red+dog&limit=4")
        assert first.status_code == 200, first.text
        rest = mine.caller.get(f"{mine.path}/search?q=red+dog&limit=4&cursor={first.json['next_cursor']}").json
    finally:
        done.set()
        answering.join()
    found = first.json["data"] + rest["data"]
    assert (len(first.json["data"]), rest["next_cursor"]) == (4, None)
    assert {photo["key"] for photo in found} == set(mine.photos())
    assert [photo["score"] for photo in found] == sorted((photo["score"] for photo in found), reverse=True)
    assert mine.caller.get(f"{mine.path}/search").json["code"] == "parameter_invalid"
    mine.create(tasks=["caption"])
    answer = mine.caller.get(f"{mine.path}/search?q=dog")
    assert (answer.status_code, answer.json["code"]) == (409, "search_needs_tag")


def test_label_counts(mine: Mine) -> None:
    mine.run()
    photo = mine.photos()["0.png"]["id"]
    mine.caller.send("PUT", f"{mine.path}/photos/{photo}/labels", json={"add": ["only here"]})
    counts, cursor = [], ""
    while cursor is not None:
        page = mine.caller.get(f"{mine.path}/labels?limit=1{cursor and '&cursor=' + cursor}").json
        counts += page["data"]
        cursor = page["next_cursor"]
    assert {"label": "only here", "count": 1} in counts
    assert [one["count"] for one in counts] == sorted((one["count"] for one in counts), reverse=True)
    photos_with = mine.photos(f"label={counts[0]['label']}")
    assert len(photos_with) == counts[0]["count"]


def test_patch_replaces_what_is_named_and_delete_ends_the_run(mine: Mine, photos: Path) -> None:
    schedule = {"cron": "0 2 * * *", "timezone": "Europe/Berlin", "window": "02:00-06:00"}
    patched = mine.caller.send("PATCH", mine.path, json={"schedule": schedule, "tasks": ["tag"], "write": "sidecar"})
    assert patched.status_code == 200, patched.text
    assert (patched.json["schedule"], patched.json["tasks"]) == (schedule, ["tag"])
    assert patched.json["next_run_at"].endswith("Z")
    assert mine.caller.get(mine.path).json == patched.json
    gone = mine.caller.send("PATCH", mine.path, json={"schedule": None}).json
    assert (gone["schedule"], gone["next_run_at"], gone["write"]) == (None, None, "sidecar")
    contested = mine.caller.send(
        "POST", "/v1/libraries",
        json={"name": "b", "tasks": ["tag"], "source": {"folder": str(photos)}, "write": "sidecar"},
    )  # fmt: skip
    assert (contested.status_code, contested.json["code"]) == (409, "sidecars_contested")
    mine.caller.send("POST", f"{mine.path}/runs")
    assert mine.caller.send("DELETE", mine.path).status_code == 204
    assert mine.caller.get(mine.path).json["code"] == "library_not_found"
    assert mine.caller.get("/v1/libraries").json == {"data": [], "next_cursor": None}
    assert len(list(photos.iterdir())) == 6
