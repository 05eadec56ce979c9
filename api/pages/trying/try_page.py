"""The first page: give photos or a text, and see what the models say."""

from __future__ import annotations

import json
import shlex
from typing import Any

from flask import Response, request

from api.http.auth import caller
from api.http.queries import numbers_parameter
from api.http.waits import waited
from api.pages.frame.offers import models_of
from api.pages.frame.page import PageBlueprint, is_htmx, page, see_other
from api.pages.frame.thumbnail_links import thumbnail_links
from api.pages.frame.words import STATE_WORDS
from api.pages.identity import public_demo
from api.pages.trying.result_cards import Card, hashes_of, result_card, waiting_cards
from api.pages.trying.try_form import CLASSES, MOST_PHOTOS, photo_job, text_job
from api.services import base_url, services
from api.submission.one_input import plan_one, read_one
from api.submission.submit import submit_document
from api.v1 import events
from api.v1.one_answer import ask_one, take_answer
from api.v1.views import job_view
from core.states import JobState
from core.tasks import TASKS
from db.job_inputs import waiting_inputs
from db.jobs import find_job
from db.results import page_results

MOST_BYTES = 300_000_000  # of one form, photos included
MOST_CARDS = MOST_PHOTOS  # of a larger job the first; its own page has them all, in pages
TYPED_WAIT_S = 10
blueprint = PageBlueprint("try_page", visitors=True, max_bytes=MOST_BYTES)


@blueprint.get("/")
def show() -> Response:
    return page("try/page.html", models=models_of(TASKS), job=None)


@blueprint.get("/try/<id:job_id>")
def show_job(job_id: str) -> Response:
    """The same with results, for whoever comes back to them."""
    return page("try/page.html", models=models_of(TASKS), **_results(job_id))


@blueprint.post("/try")
def submit_photos() -> Response:
    public_demo.check_visit()
    return _submit(photo_job(services(), caller().tenant_id))


@blueprint.post("/try/text")
def submit_text() -> Response:
    """A job as of photos; or, while somebody types, the answer alone, which leaves none."""
    before = waited()
    if before is not None:
        return _text_answer(before.note)
    if is_htmx() and not request.form.get("text", "").strip():
        return page("try/hint.html")
    public_demo.check_visit(typing=True)
    document = text_job()
    if not is_htmx():
        return _submit(document)
    public_demo.check_document(document)
    task = document["tasks"][0]
    named = {"task": task} | ({"model": document["models"][task]} if document["models"] else {})
    plan = plan_one(services(), caller().tenant_id, named, base_url())
    return ask_one(plan, read_one(services(), plan, "text", document["inputs"][0]["text"]), TYPED_WAIT_S)


def _text_answer(job_id: str) -> Response:
    job, row = take_answer(caller().tenant_id, job_id)
    if row is None:
        public_demo.note_job(job_id)
    return page("try/text_answer.html", job_id=job_id, task=job.tasks[0], row=row)


@blueprint.get("/try/<id:job_id>/news")
def news(job_id: str) -> Response:
    """What has come since; `shown` names the cards that the page has whole."""
    seen = set(numbers_parameter(request.args, "shown", MOST_CARDS))
    return page("try/news.html", seen=seen, **_results(job_id))


@blueprint.get("/try/<id:job_id>/events")
def follow(job_id: str) -> Response:
    public_demo.check_job(job_id)
    return events.follow(job_id)


def _submit(document: dict[str, Any]) -> Response:
    public_demo.check_document(document)
    made = submit_document(services(), caller(), base_url(), document, lambda job: job_view(job, base_url()))
    public_demo.note_job(made["id"])
    target = f"/try/{made['id']}"
    if not is_htmx():
        return see_other(target)
    response = page("try/results.html", **_results(made["id"]))
    response.headers["HX-Push-Url"] = target
    return response


def _results(job_id: str) -> dict[str, Any]:
    """What the templates of a job's results need."""
    public_demo.check_job(job_id)
    with services().database.read() as session:
        job = find_job(session, caller().tenant_id, job_id)
        rows = page_results(session, job_id, limit=MOST_CARDS)
        waiting = waiting_inputs(session, job_id, limit=2 * MOST_CARDS)
        pictures = thumbnail_links(session, caller().tenant_id, hashes_of(rows))
    done = {row["seq"] for row in rows}
    found = [*(result_card(row, pictures) for row in rows), *waiting_cards(waiting, done)]
    cards = sorted(found, key=lambda card: card.seq)[:MOST_CARDS]
    view = job_view(job, base_url())
    finished = JobState(job.state).finished
    return {
        "job": view, "state_words": STATE_WORDS[JobState(job.state)], "cards": cards,
        "finished": finished, "medium": TASKS[view["tasks"][0]].medium,
        "room": _room(view), "curl": _curl(view, cards),
    }  # fmt: skip


def _room(job: dict[str, Any]) -> dict[str, int]:
    """How many bars and classes a card will have: their place is kept, so that nothing moves when they come."""
    tag = job["options"].get("tag", {})
    words = tag.get("vocabulary", "photos")
    bars = min(tag["top_k"], 20, len(words) if isinstance(words, list) else 20) if "tag" in job["tasks"] else 0
    return {"bars": bars, "classes": CLASSES if "classify" in job["tasks"] else 0}


def _curl(job: dict[str, Any], cards: list[Card]) -> str:
    """The same as a command."""
    body = {name: job[name] for name in ("tasks", "options", "models")}
    inputs = [card.given for card in cards]
    document = shlex.quote(json.dumps({**body, "inputs": inputs}, ensure_ascii=False))
    base = request.host_url.rstrip("/")
    return (
        f'curl {shlex.quote(base + "/v1/jobs")} \\\n  -H "Authorization: Bearer $TAGLINE_API_KEY" \\\n'
        f"  -H 'Content-Type: application/json' \\\n  -d {document}"
    )
