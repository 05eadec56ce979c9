"""One input asked about: answered at once, refused clearly, and leaving no job where it was answered."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import pytest

from core.errors import ItemError
from core.inputs import InputItem, ItemResult
from db.claims import Claim, claim_chunk
from db.engine import Database
from db.results import view  # noqa: F401
from db.store import store_results
from tests.integration.test_api_uploads import photo
from tests.support.api import Caller
from tests.support.waiting import until

LANGUAGE = {"language": {"label": "fr", "score": 0.666, "labels": [], "model": "language-rnn@1.0.0"}}
OTHER = '{"language": "language-words"}'
TOO_FEW = '{"tag": {"top_k": 0}}'
MEDIA = {"sha256": "00", "width": 4, "height": 3, "bytes": 9}


def claimed(database: Database) -> Claim | None:
    """The next chunk of either queue."""
    for queue in ("image", "text"):
        with database.write() as session:
            found = claim_chunk(session, queue=queue, worker="w", lease_ms=60_000)
        if found:
            return found
    return None


@contextmanager
def working(database: Database, result: Callable[[InputItem], ItemResult]) -> Iterator[list[InputItem]]:
    """A worker that runs one item meanwhile; the items it ran."""
    ran: list[InputItem] = []

    def work() -> None:
        claim = until(lambda: claimed(database), what="a chunk")
        ran.extend(claim.items)
        with database.write() as session:
            store_results(session, claim, [result(item) for item in claim.items])

    with ThreadPoolExecutor(1) as pool:
        worked = pool.submit(work)
        yield ran
        worked.result()


def good(item: InputItem) -> ItemResult:
    return ItemResult(item, LANGUAGE, MEDIA if item.kind != "text" else None)


def ask(acme: Caller, query: dict[str, str], **headers: str) -> Any:
    return acme.get(f"/v1/predict?{urlencode(query)}", **headers)


def test_a_word_is_answered_and_leaves_no_job(
    acme: Caller, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """Fails if the answer is another than the result, or if the list of jobs fills while somebody types; and if the
    answer comes only because the time is up."""
    query = {"task": "language", "text": "orignal", "model": "language-rnn", "models": "{}", "options": "{}"}
    with working(database, good) as ran:
        answer = ask(acme, query)
    assert answer.status_code == 200
    assert (answer.json["state"], answer.json["outputs"], answer.json["error"]) == ("succeeded", LANGUAGE, None)
    assert answer.json["input"] == {"text": "orignal"}
    assert [item.ref for item in ran] == ["orignal"]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert acme.jobs() == []


def test_the_job_is_an_interactive_one_with_the_models_asked_for(acme: Caller, database: Database) -> None:
    options = '{"tag": {"top_k": 3}}'
    later = ask(acme, {"tasks": "tag,caption", "url": "http://a/1", "options": options}, Prefer="wait=0")
    assert (later.status_code, later.json["priority"], later.json["tasks"]) == (202, "interactive", ["tag", "caption"])
    assert later.json["options"]["tag"]["top_k"] == 3
    assert later.headers["Location"] == later.json["links"]["self"]
    assert later.headers["Preference-Applied"] == "wait=0"
    assert [job["id"] for job in acme.jobs()] == [later.json["id"]]  # it stays, since nothing else answers


def test_what_takes_too_long_becomes_a_job(acme: Caller) -> None:
    later = ask(acme, {"task": "language", "text": "x"}, Prefer="wait=1")
    assert (later.status_code, later.json["state"], later.headers["Preference-Applied"]) == (202, "queued", "wait=1")
    assert [job["id"] for job in acme.jobs()] == [later.json["id"]]


@pytest.mark.parametrize("permanent", [True, False])
def test_an_input_that_fails_is_a_problem_of_its_own_code(acme: Caller, database: Database, permanent: bool) -> None:
    def fails(item: InputItem) -> ItemResult:
        return ItemResult(item, error=ItemError("fetch_http_404", "The server said 404", permanent=permanent))

    with working(database, fails):
        answer = ask(acme, {"task": "caption", "url": "http://a/1"})
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    assert (answer.json["code"], answer.json["detail"]) == ("fetch_http_404", "The server said 404")
    assert (answer.json["permanent"], "again" in answer.json["hint"]) == (permanent, True)
    assert acme.jobs() == []


def test_a_code_that_is_a_problem_elsewhere_is_still_the_inputs(acme: Caller, database: Database) -> None:
    """`storage_unavailable` is 503 where we cannot store an upload; here the request was answered."""
    with working(database, lambda item: ItemResult(item, error=ItemError("storage_unavailable", "x", permanent=False))):
        answer = ask(acme, {"task": "caption", "url": "http://a/1"})
    assert (answer.status_code, answer.json["code"]) == (422, "storage_unavailable")


@pytest.mark.parametrize("form", [True, False], ids=["form", "body"])
def test_a_photo_that_is_sent_is_run_as_an_upload(acme: Caller, database: Database, form: bool) -> None:
    sent: dict[str, Any] = {"data": {"file": (io.BytesIO(photo(20, 30)), "a.jpg")}}
    if not form:
        sent = {"data": photo(20, 30), "content_type": "image/jpeg"}
    with working(database, good) as ran:
        answer = acme.send("POST", "/v1/predict?task=caption", **sent)
    assert (answer.status_code, answer.json["media"]) == (200, MEDIA)
    assert [item.kind for item in ran] == ["upload"]
    assert acme.get(f"/v1/uploads/{ran[0].ref}").json["width"] == 20


def test_a_long_text_is_sent_as_the_body(acme: Caller, database: Database) -> None:
    text = "très bien " * 9_000
    with working(database, good) as ran:
        answer = acme.send("POST", "/v1/predict?task=sentiment", data=text.encode(), content_type="text/plain")
    assert answer.status_code == 200
    assert [item.ref for item in ran] == [text]


REFUSED = (
    ({"text": "x"}, "field_missing", "task"),
    ({"task": "language"}, "input_invalid", "query"),
    ({"task": "language", "text": "x", "url": "http://a/1"}, "input_invalid", "query"),
    ({"task": "language", "tasks": "spam", "text": "x"}, "parameter_invalid", "task"),
    ({"task": "language", "model": "m", "models": OTHER, "text": "x"}, "parameter_invalid", "model"),
    ({"tasks": "tag,caption", "model": "tag-open", "url": "http://a/1"}, "parameter_invalid", "model"),
    ({"task": "poem", "text": "x"}, "unknown_task", "task"),
    ({"tasks": "poem", "text": "x"}, "unknown_task", "/tasks/0"),
    ({"tasks": "language,caption", "text": "x"}, "tasks_mixed", "/tasks"),
    ({"task": "language", "model": "nobody", "text": "x"}, "model_unknown", "model"),
    ({"task": "language", "model": "tag-open", "text": "x"}, "model_wrong_task", "model"),
    ({"task": "language", "url": "http://a/1"}, "input_kind_mismatch", "url"),
    ({"task": "caption", "text": "a cat"}, "input_kind_mismatch", "text"),
    ({"task": "language", "text": "x" * 100_001}, "input_invalid", "text"),
    ({"task": "caption", "url": ""}, "input_invalid", "url"),
    ({"task": "caption", "upload": "nothing"}, "upload_unknown", "upload"),
    ({"task": "caption", "file": "/etc/passwd"}, "folder_not_allowed", "file"),
    ({"task": "caption", "s3_prefix": "s3://bucket/a/"}, "parameter_unknown", "s3_prefix"),
    ({"task": "tag", "url": "http://a/1", "options": "{"}, "parameter_invalid", "options"),
    ({"task": "tag", "url": "http://a/1", "options": TOO_FEW}, "option_invalid", "/options/tag/top_k"),
    ({"task": "language", "text": "x", "priority": "bulk"}, "parameter_unknown", "priority"),
)


def test_what_cannot_be_asked_is_refused_by_name(acme: Caller) -> None:
    """Fails if an error does not name the parameter, or leaves a job."""
    for query, code, where in REFUSED:
        answer = ask(acme, query)
        assert (answer.status_code, answer.json["code"], answer.json["where"]) == (422, code, where), answer.json
    assert acme.jobs() == []


def test_what_cannot_be_sent_is_refused(acme: Caller) -> None:
    for path, more, status, code in (
        ("task=caption", {"json": {}}, 415, "unsupported_media_type"),
        ("task=caption", {}, 415, "unsupported_media_type"),
        ("task=caption&url=http://a/1", {"data": b"x", "content_type": "image/png"}, 422, "parameter_unknown"),
        ("task=caption", {"data": b"x", "content_type": "image/png"}, 422, "image_unsupported"),
        ("task=caption", {"data": b"", "content_type": "image/png"}, 422, "image_empty"),
        ("task=caption", {"data": {"photo": "x"}, "content_type": "multipart/form-data"}, 422, "file_missing"),
        ("task=spam", {"data": photo(9, 9), "content_type": "image/jpeg"}, 422, "input_kind_mismatch"),
        ("task=caption", {"data": b"a cat", "content_type": "text/plain"}, 422, "input_kind_mismatch"),
        ("task=spam", {"data": b"\xff", "content_type": "text/plain"}, 422, "input_invalid"),
        ("", {"data": photo(9, 9), "content_type": "image/jpeg"}, 422, "field_missing"),
    ):
        answer = acme.send("POST", f"/v1/predict?{path}", **more)
        assert (answer.status_code, answer.json["code"]) == (status, code), (path, more)
    assert acme.jobs() == []


def test_looking_at_the_head_asks_nothing(acme: Caller) -> None:
    answer = acme.send("HEAD", "/v1/predict?task=language&text=x")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")
    assert acme.jobs() == []


def test_somebody_else_may_cancel_meanwhile(acme: Caller, database: Database) -> None:
    def cancel() -> None:
        [job] = until(acme.jobs, what="the job")
        assert acme.send("POST", f"/v1/jobs/{job['id']}/cancel").status_code == 200

    with ThreadPoolExecutor(1) as pool:
        cancelled = pool.submit(cancel)
        answer = ask(acme, {"task": "language", "text": "x"}, Prefer="wait=50")
        cancelled.result()
    assert (answer.status_code, answer.json["state"]) == (202, "cancelled")
