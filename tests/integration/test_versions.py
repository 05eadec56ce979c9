"""Which version a job is promised, and what the API says of models: the artefacts here are never run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from api.app import close_app, create_app
from core.settings import Settings
from db import keys, workers
from db.engine import Database
from tests.support.api import Caller
from tests.support.manifests import make

URL = "https://photos.example/cat.jpg"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    make(folder, "toy", "1.0.0")
    make(folder, "toy", "2.0.0", folder="toy@2.0.0")
    make(folder, "teller", task="caption", kind="captioner", labels=None, encoders={"image": "toy@1.0.0"})
    (folder / "defaults.json").write_text('{"classify": "toy", "caption": "teller"}')
    return folder


@pytest.fixture
def app(database: Database, database_url: str, redis_url: str, models: Path, tmp_path: Path) -> Iterator[Flask]:
    made = create_app(
        Settings(database_url=database_url, redis_url=redis_url, data_dir=tmp_path / "data", models_dir=models)
    )
    yield made
    close_app(made)


@pytest.fixture
def acme(app: Flask, database: Database, tenant: str) -> Caller:
    with database.write() as session:
        return Caller(app.test_client(), keys.create_key(session, tenant, "acme"))


def promised(caller: Caller, wanted: str | None = None) -> str:
    body = {"tasks": ["classify"], "inputs": [URL], **({"models": {"classify": wanted}} if wanted else {})}
    answer = caller.send("POST", "/v1/jobs", json=body)
    assert answer.status_code == 202, answer.text
    model: str = answer.json["models"]["classify"]
    return model


def warm(database: Database, worker: str, *models: str) -> None:
    with database.write() as session:
        workers.beat(session, worker, list(models))


def test_a_job_is_promised_the_newest_version_that_a_live_worker_has_warm(acme: Caller, database: Database) -> None:
    assert promised(acme) == promised(acme, "toy") == "toy@2.0.0"
    warm(database, "w1", "toy@1.0.0", "teller@1.0.0")
    assert promised(acme) == promised(acme, "toy") == "toy@1.0.0"
    assert promised(acme, "toy@2.0.0") == "toy@2.0.0"
    warm(database, "w2", "toy@2.0.0")
    assert promised(acme) == promised(acme, "toy") == "toy@2.0.0"
    with database.write() as session:
        workers.sign_off(session, "w2")
    assert promised(acme) == "toy@1.0.0"


def test_a_default_may_name_its_version(acme: Caller, database: Database, models: Path) -> None:
    (models / "defaults.json").write_text('{"classify": "toy@1.0.0"}')
    assert promised(acme) == "toy@1.0.0"
    warm(database, "w1", "toy@2.0.0")
    assert promised(acme) == "toy@2.0.0", "until somebody has run the one that it names"
    warm(database, "w1", "toy@1.0.0", "toy@2.0.0")
    assert promised(acme) == "toy@1.0.0"
    assert promised(acme, "toy") == "toy@2.0.0"


def test_the_lists_say_what_is_warm_what_is_meant_and_what_stands_on_what(acme: Caller, database: Database) -> None:
    warm(database, "w1", "toy@1.0.0", "teller@1.0.0")
    shown = {model["id"]: model for model in acme.send("GET", "/v1/models").json["data"]}
    assert set(shown) == {"toy@1.0.0", "toy@2.0.0", "teller@1.0.0"}
    assert [shown[f"toy@{version}.0.0"]["default"] for version in (1, 2)] == [True, False]
    assert [shown[f"toy@{version}.0.0"]["warm"] for version in (1, 2)] == [True, False]
    assert shown["teller@1.0.0"]["encoders"] == {"image": "toy@1.0.0"}
    assert shown["teller@1.0.0"]["label_count"] == 0
    assert acme.send("GET", "/v1/models/teller").json["labels"] == []
    assert acme.send("GET", "/v1/models/toy@1.0.0").json["default"] is True
    tasks = {task["name"]: task for task in acme.send("GET", "/v1/tasks").json["data"]}
    assert tasks["classify"]["default_model"] == "toy@1.0.0"
    assert tasks["classify"]["models"] == ["toy@2.0.0", "toy@1.0.0"]
    assert tasks["caption"]["default_model"] == "teller@1.0.0"
    assert tasks["tag"]["default_model"] is None


def test_the_list_shows_what_runs_from_an_export_on_a_card(acme: Caller, database: Database) -> None:
    """It is no variant of the manifest: would fail if nobody could see that results are of half precision."""

    def variants(model: str) -> dict[str, bool]:
        return {one["name"]: one["running"] for one in acme.send("GET", f"/v1/models/{model}").json["variants"]}

    warm(database, "w1", "toy@1.0.0", "teller@1.0.0")
    assert variants("toy@1.0.0") == {"f32": True}
    warm(database, "w1", "toy@1.0.0", "teller@1.0.0", "toy@1.0.0/f16-cuda")
    assert variants("toy@1.0.0") == {"f32": False, "f16-cuda": True}
    assert variants("teller@1.0.0") == {"f32": True}


@pytest.mark.parametrize(
    ("task", "options", "where"),
    [
        ("caption", {"beam_size": 0}, "/options/caption/beam_size"),
        ("caption", {"beam_size": 9}, "/options/caption/beam_size"),
        ("caption", {"max_words": 2}, "/options/caption/max_words"),
        ("caption", {"max_words": 31}, "/options/caption/max_words"),
        ("caption", {"candidates": 5}, "/options/caption/candidates"),
        ("caption", {"beam_size": 2, "candidates": 3}, "/options/caption/candidates"),
        ("caption", {"beam_size": 4.5}, "/options/caption/beam_size"),
        ("tag", {"top_k": 0}, "/options/tag/top_k"),
        ("tag", {"threshold": 1.5}, "/options/tag/threshold"),
        ("tag", {"vocabulary": "birds"}, "/options/tag/vocabulary"),
        ("tag", {"vocabulary": []}, "/options/tag/vocabulary"),
        ("tag", {"vocabulary": ["a", ""]}, "/options/tag/vocabulary/1"),
        ("tag", {"vocabulary": ["a" * 101]}, "/options/tag/vocabulary/0"),
        ("tag", {"vocabulary": ["a\0"]}, "/options/tag/vocabulary/0"),
        ("tag", {"vocabulary": ["\ud800"]}, "/options/tag/vocabulary/0"),
        ("tag", {"vocabulary": [1]}, "/options/tag/vocabulary/0"),
        ("tag", {"vocabulary": ["a"] * 1001}, "/options/tag/vocabulary"),
        ("tag", {"vocabulary": {"a": 1}}, "/options/tag/vocabulary"),
    ],
)
def test_options_out_of_range(acme: Caller, task: str, options: dict[str, object], where: str) -> None:
    answer = acme.send("POST", "/v1/jobs", json={"tasks": [task], "inputs": [URL], "options": {task: options}})
    assert (answer.status_code, answer.json["code"], answer.json["where"]) == (422, "option_invalid", where)


def test_options_are_filled_in(acme: Caller, models: Path) -> None:
    make(models, "labels", task="tag")
    (models / "defaults.json").write_text('{"classify": "toy", "caption": "teller", "tag": "labels"}')
    given = {"caption": {"candidates": 4}, "tag": {"vocabulary": ["sea", "a\nb", "émeu 🙂"]}}
    body = {"tasks": ["caption", "tag"], "inputs": [URL], "options": given}
    assert acme.send("POST", "/v1/jobs", json=body).json["options"] == {
        "caption": {"beam_size": 4, "max_words": 20, "candidates": 4},
        "tag": {"top_k": 20, "threshold": 0.0, "vocabulary": ["sea", "a\nb", "émeu 🙂"]},
    }
