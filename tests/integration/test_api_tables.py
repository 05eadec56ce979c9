"""Lists in and tables out, in the forms that spreadsheets and other people's programs write and read."""

from __future__ import annotations

import csv
import gzip
import io
import json
from typing import Any

import pytest

from core.inputs import InputItem, ItemResult, cut_chunks
from db.engine import Database
from db.jobs import create_job
from db.store import store_results
from jobs.plan import JobPlan
from tests.support.api import Caller
from tests.support.jobs import claim, must_claim, successes

LABELS = [{"label": "tabby", "wnid": "n1", "score": 0.5}, {"label": "lynx", "wnid": "n2", "score": 0.1}]
OUTPUTS: dict[str, Any] = {
    "tag": {"labels": [{"label": "-cat", "score": 0.9}], "model": "tag@1.0.0"},
    "caption": {"text": "a cat, asleep", "score": 0.7, "model": "caption@1.0.0"},
    "classify": {"labels": LABELS, "model": "eye@1.0.0"},
}


def finished_job(database: Database, acme: Caller, tasks: tuple[str, ...], count: int = 2, **ids: str) -> str:
    """A job whose last item failed."""
    with database.read() as session:
        from db.keys import authenticate

        found = authenticate(session, acme.key)
    assert found is not None
    items = [InputItem(seq, ids.get(f"id{seq}", f"mine-{seq}"), "url", f"http://a/{seq}") for seq in range(count)]
    plan = JobPlan(tenant_id=found.tenant_id, tasks=tasks)
    with database.write() as session:
        create_job(session, plan.row(count), cut_chunks(items, count), ttl_hours=1)
    claimed = must_claim(database)
    results = successes(claimed)
    outputs = {task: OUTPUTS[task] for task in tasks}
    results = [ItemResult(result.item, outputs=outputs, media={"width": 4}) for result in results]
    with database.write() as session:
        store_results(session, claimed, results)
    return plan.id


def table(acme: Caller, job: str, query: str = "") -> list[dict[str, str]]:
    text = acme.get(f"/v1/jobs/{job}/results{query}", Accept="text/csv").text
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def test_each_of_several_tasks_has_its_columns_in_the_jobs_order(acme: Caller, database: Database) -> None:
    """PostgreSQL keeps the keys of JSON in an order of its own; neither columns nor values may follow that."""
    row = table(acme, finished_job(database, acme, ("tag", "caption", "classify")))[0]
    shown = {name: value for name, value in row.items() if name.endswith(("_label", "_score"))}
    assert list(shown.items()) == [
        ("tag_label", "'-cat"), ("tag_score", "0.9"), ("caption_label", "a cat, asleep"), ("caption_score", "0.7"),
        ("classify_label", "tabby"), ("classify_score", "0.5"),
    ]  # fmt: skip
    assert "label" not in row
    assert list(json.loads(row["labels"])) == ["tag", "caption", "classify"]
    assert json.loads(row["labels"]) == OUTPUTS


def test_a_single_task_has_plain_columns(acme: Caller, database: Database) -> None:
    row = table(acme, finished_job(database, acme, ("caption",)))[0]
    assert (row["label"], row["score"]) == ("a cat, asleep", "0.7")
    assert "caption_label" not in row


def test_plain_numbers_stay_numbers_and_formulas_do_not_run(acme: Caller, database: Database) -> None:
    job = finished_job(database, acme, ("classify",), 4, id0="-5", id1="+1.25", id2="-5+cmd", id3="=1+1")
    assert [row["id"] for row in table(acme, job)] == ["-5", "+1.25", "'-5+cmd", "'=1+1"]


def test_a_byte_order_mark_stands_there_on_request(acme: Caller, database: Database) -> None:
    job = finished_job(database, acme, ("classify",))
    path = f"/v1/jobs/{job}/results"
    assert acme.get(f"{path}?bom=true", Accept="text/csv").data.startswith(b"\xef\xbb\xbfseq,")
    assert acme.get(path, Accept="text/csv").data.startswith(b"seq,")
    assert acme.get(f"{path}?bom=yes", Accept="text/csv").status_code == 422


@pytest.mark.parametrize("form", ["text/csv", "application/x-ndjson", "application/jsonl"])
def test_streams_are_compressed_for_those_who_ask(acme: Caller, database: Database, form: str) -> None:
    path = f"/v1/jobs/{finished_job(database, acme, ('classify',), 300)}/results"
    plain = acme.get(path, Accept=form)
    packed = acme.get(path, Accept=form, Accept_Encoding="br, gzip;q=0.8")
    assert (plain.headers.get("Content-Encoding"), packed.headers["Content-Encoding"]) == (None, "gzip")
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data) / 5
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert acme.get(path, Accept=form, Accept_Encoding="gzip;q=0").headers.get("Content-Encoding") is None


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("form", "header", "line"),
    [
        ("text/plain", "", "{url}"), ("application/jsonl", "", '{{"url": "{url}"}}'),
        ("text/csv", "id,url", "{n},{url}"), ("text/csv", "id;url", "{n};{url}"), ("text/csv", "id\turl", "{n}\t{url}"),
    ],
)  # fmt: skip
def test_lists_of_every_line_end_and_delimiter_are_read(
    acme: Caller, database: Database, form: str, header: str, line: str, end: str
) -> None:
    urls = [f"http://a/{n}.jpg" for n in range(3)]
    lines = [header] * bool(header) + [line.format(n=n, url=url) for n, url in enumerate(urls)]
    answer = acme.stream(end.join(lines).encode(), form)
    assert answer.status_code == 202, answer.text
    claimed = claim(database)
    assert claimed is not None
    assert [item.ref for item in claimed.items] == urls


def test_a_list_in_utf_16_is_refused_with_advice(acme: Caller) -> None:
    for coding in ("utf-16-le", "utf-16-be"):
        answer = acme.stream(("\ufeffid,url\r\n1,http://a/1\r\n").encode(coding), "text/csv")
        assert (answer.status_code, answer.json["code"]) == (422, "line_invalid")
        assert "UTF-8" in answer.json["detail"]


def test_null_is_as_good_as_leaving_a_field_out(acme: Caller) -> None:
    inputs = [{"id": None, "url": "http://a/1", "s3": None, "upload": None, "text": None}]
    nulls = dict.fromkeys(("options", "models", "webhook", "priority", "name", "metadata"))
    job = acme.submit(inputs, **nulls)
    assert (job["counts"]["total"], job["metadata"]) == (1, {})
    assert acme.submit(inputs, options={"classify": None})["options"]["classify"]["top_k"] == 5
    for wrong in ({"options": []}, {"options": {"classify": []}}, {"metadata": 0}):
        answer = acme.send("POST", "/v1/jobs", json={"tasks": ["classify"], "inputs": inputs, **wrong})
        assert answer.status_code == 422
