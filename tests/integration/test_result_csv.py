"""CSV of results, against what csv.writer makes of the same rows parsed: the same bytes, whatever is in them."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Sequence
from typing import Any

import pytest

from api.v1.result_csv import columns, csv_rows, safe_cell
from core.errors import ItemError
from core.inputs import InputItem, ItemResult, cut_chunks
from db.engine import Database
from db.jobs import create_job
from db.result_lines import odd_json, stream_texts
from db.results import Row, stream_results
from db.store import write_results
from jobs.plan import JobPlan

NASTY = (
    "", "plain", 'a "quoted" one', "two\nlines", "two\r\nlines", "a\rb", "a,b", "=1+1", "+1", "-5", "+1.25", "-5+cmd",
    "@x", "\tx", "\rx", "\"=x\"", "'", "émile", "日本", "👩‍👩‍👧", "\u2028", "\x7f", "\x01", "back\\slash", "\\u0041",
    ": 5", "@@1@@", "@", ': "x"', '", "', '{"a": 1}', "%s %d %%", "\ue0000\ue001", "null", "true", "1e5",
    "0.0000", "x" * 70_000,
)  # fmt: skip
SCORES = (0.5, 1, 0, 1e-05, -1e-07, 1e22, 0.1 + 0.2, 5e-324, -0.5, True, None, 12345678901234567890)
TASKS = ("tag", "caption", "classify")


def old_csv(rows: Sequence[Row], tasks: Sequence[str], bom: bool) -> bytes:
    """As it was made before results were read as text."""
    buffer = io.StringIO(newline="")
    buffer.write("\ufeff" if bom else "")
    writer = csv.writer(buffer)
    writer.writerow(columns(tasks))
    for row in rows:
        outputs, error, media = row["outputs"] or {}, row["error"] or {}, row["media"] or {}
        parts = [
            f"{json.dumps(task)}: {json.dumps(outputs[task], ensure_ascii=False, sort_keys=True)}"
            for task in tasks if task in outputs
        ]  # fmt: skip
        cells = [row["seq"], row["id"], row["state"], next(iter(row["input"].values()), "")]
        for task in tasks:
            output = outputs.get(task, {})
            given = output if "label" in output or "text" in output else next(iter(output.get("labels") or ()), {})
            cells += [given.get("label", given.get("text", "")), given.get("score", "")]
        cells += [f"{{{', '.join(parts)}}}" if outputs else "", error.get("code"), error.get("message")]
        cells += [media.get("width"), media.get("height"), media.get("sha256")]
        writer.writerow([safe_cell(cell) for cell in cells])
    return buffer.getvalue().encode()


def an_output(choose: random.Random, depth: int = 0) -> dict[str, Any]:
    """Some output of a task, known or not, with whatever may be in one."""
    label = {"label": choose.choice(NASTY), "score": choose.choice(SCORES)}
    return choose.choice([
        {"labels": [{**label, "wnid": "n1"} for _ in range(choose.randrange(4))], "model": choose.choice(NASTY)},
        {"text": choose.choice(NASTY), "score": choose.choice(SCORES), "model": "m@1.0.0", "variant": "int8"},
        {**label, "labels": [label, {"score": 1.5}], "model": "m@1.0.0"},
        {"label": {"text": 1.0, "b, c": '"'}, "score": [1, "2"]}, {"text": ["=1", None], "score": {}},
        {"labels": None}, {"labels": []}, {}, {"label": None, "score": "high"},
        {choose.choice(NASTY): label, "words": [choose.choice(NASTY), 5, [], None]},
        {"label": choose.choice(NASTY), "a: 5": choose.choice(NASTY), "sha256": 1, "words": ["x: ", "y", ": 5"]},
    ])  # fmt: skip


def results(choose: random.Random, count: int, tasks: Sequence[str]) -> list[ItemResult]:
    found = []
    for seq in range(count):
        kind, ref = choose.choice(
            (("url", choose.choice(NASTY)), ("text", choose.choice(NASTY)), ("s3_prefix", "s3://b/"))
        )
        item = InputItem(seq, choose.choice(NASTY), kind, ref)  # type: ignore[arg-type]
        media = choose.choice((None, {}, {"sha256": "00", "width": seq, "height": 3, "bytes": 5}, {"width": None}))
        if choose.random() < 0.2:
            found.append(ItemResult(item, media=media, error=ItemError("fetch_http_404", choose.choice(NASTY))))
        else:
            some = {task: an_output(choose) for task in tasks if choose.random() < 0.9}
            found.append(ItemResult(item, outputs=some, media=media))
    return found


@pytest.mark.parametrize("tasks", [TASKS, TASKS[:1]])
def test_nothing_has_changed_but_the_time_it_takes(database: Database, tenant: str, tasks: tuple[str, ...]) -> None:
    """Fails if a value is cut, quoted, ordered or guarded otherwise than before, on either database."""
    made = results(random.Random(7), 700, tasks)
    plan = JobPlan(tenant_id=tenant, tasks=tasks)
    with database.write() as session:
        items = [result.item for result in made]
        create_job(session, plan.row(len(items)), cut_chunks(items, 100), ttl_hours=1)
        write_results(session, plan.id, made)
    for state in (None, "failed"):
        rows = list(stream_results(database, plan.id, state=state))
        pages = stream_texts(database, plan.id, state=state)
        new = b"".join(csv_rows(pages, tasks, odd=odd_json(database), bom=state is None))
        assert new.splitlines() == old_csv(rows, tasks, state is None).splitlines()
        assert new == old_csv(rows, tasks, state is None)


def test_a_job_without_results_has_a_header(database: Database) -> None:
    assert b"".join(csv_rows(iter(()), TASKS[:1], odd="\\u")) == b"".join(
        [",".join(columns(TASKS[:1])).encode(), b"\r\n"]
    )
    assert list(stream_texts(database, "none")) == []
