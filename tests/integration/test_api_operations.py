"""What a person on call asks, and what can be asked for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from flask import Flask

from api.app import close_app, create_app
from api.services import MODELS_LISTED_S
from core.artefacts import ttl_cache
from core.settings import MODELS_DIR, Settings
from db.engine import Database
from db.workers import beat
from tests.support.api import Caller
from tests.support.ports import free_port


def test_ready_needs_a_worker(acme: Caller, database: Database) -> None:
    assert acme.client.get("/healthz").json == {"status": "ok"}
    before = acme.client.get("/readyz")
    assert before.status_code == 503
    assert before.json["checks"]["database"] == "ok"
    with database.write() as session:
        beat(session, "w1", [])
    after = acme.client.get("/readyz")
    assert (after.status_code, after.json["status"]) == (200, "ready")


def test_ready_needs_models(
    acme: Caller,
    database: Database,
    database_url: str,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1000.0]
    monkeypatch.setattr(ttl_cache, "monotonic", lambda: now[0])
    with database.write() as session:
        beat(session, "w1", [])
    models = tmp_path / "models"
    models.mkdir()
    app = create_app(Settings(database_url=database_url, redis_url=redis_url, data_dir=tmp_path, models_dir=models))
    for defaults, said in (
        (None, "no model is installed as a default"),
        ('{"spam": "nobody"}', "spam has no usable model (model_unknown)"),
        ("{", "defaults_invalid"),
    ):
        if defaults:
            (models / "defaults.json").write_text(defaults)
            now[0] += MODELS_LISTED_S
        answer = app.test_client().get("/readyz")
        assert (answer.status_code, answer.json["checks"]["models"]) == (503, said)
        assert str(tmp_path) not in answer.text
    close_app(app)


def test_a_default_that_is_broken_matters_not_while_another_serves(
    database: Database, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    shutil.copytree(MODELS_DIR / "spam-ngram", models / "spam-ngram")
    (models / "defaults.json").write_text('{"spam": "nobody"}')
    with database.write() as session:
        beat(session, "w1", ["spam-ngram@1.0.0"])
    app = create_app(Settings(database_url=database_url, redis_url=redis_url, data_dir=tmp_path, models_dir=models))
    assert app.test_client().get("/readyz").status_code == 200
    (models / "defaults.json").write_text("{")
    assert app.test_client().get("/readyz").status_code == 200
    close_app(app)


def test_a_job_is_accepted_while_the_broker_is_down(acme: Caller, database_url: str, tmp_path: str) -> None:
    settings = Settings(database_url=database_url, redis_url=f"redis://127.0.0.1:{free_port()}/0", data_dir=tmp_path)
    app = create_app(settings)
    caller = Caller(app.test_client(), acme.key)
    assert caller.submit(["http://a/1"])["state"] == "queued"
    assert caller.client.get("/readyz").json["checks"]["broker"] == "does not answer"
    assert "tagline_broker_up 0.0" in caller.client.get("/metrics").text
    close_app(app)


def test_a_database_that_does_not_answer_is_503(redis_url: str, tmp_path: str) -> None:
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    app = create_app(Settings(database_url=url, redis_url=redis_url, data_dir=tmp_path))
    caller = Caller(app.test_client(), "k")
    answer = caller.get("/v1/jobs")
    assert (answer.status_code, answer.json["code"]) == (503, "database_unavailable")
    assert caller.client.get("/readyz").json["checks"]["database"] == "does not answer"
    close_app(app)


def test_metrics_tell_what_waits_and_what_was_asked(acme: Caller) -> None:
    acme.submit(["http://a/1", "http://a/2"])
    acme.get("/v1/jobs/nowhere")
    text = acme.client.get("/metrics").text
    assert 'tagline_backlog_items{priority="interactive",queue="image",state="pending"} 2.0' in text
    assert 'tagline_open_jobs{state="queued"} 1.0' in text
    assert 'tagline_http_requests_total{method="POST",route="/v1/jobs",status="202"} 1.0' in text
    assert 'tagline_broker_queue_length{queue="image"}' in text


def test_a_fault_of_ours_says_only_its_id(acme: Caller, app: Flask, caplog: object) -> None:
    # Asked for through a route of its own: nothing real is known to fail.
    app.add_url_rule("/fault", "fault", lambda: 1 // 0)
    answer = acme.send("GET", "/fault", {"X-Request-Id": "abc"})
    assert answer.status_code == 500
    assert (answer.json["code"], answer.json["request_id"]) == ("internal_error", "abc")
    assert "division" not in answer.text
    assert answer.headers["X-Request-Id"] == "abc"


def test_tasks_and_models_are_listed(acme: Caller) -> None:
    [task] = [task for task in acme.get("/v1/tasks").json["data"] if task["name"] == "classify"]
    assert task["medium"] == "image"
    assert task["options"]["properties"]["top_k"]["maximum"] == 1000
    found = acme.get("/v1/models").json
    [model] = [model for model in found["data"] if model["id"] == task["default_model"]]
    assert model["default"] is True
    assert model["label_count"] == 1000
    detail = acme.get(f"/v1/models/{model['name']}").json
    assert len(detail["labels"]) == 1000
    assert acme.get(f"/v1/models/{model['id']}").json == detail
    assert acme.get("/v1/models/nope").json["code"] == "model_not_found"
