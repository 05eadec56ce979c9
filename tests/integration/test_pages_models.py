"""The pages of models: cards, metrics, which one serves, where it is warm, and what is broken."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from api.app import close_app, create_app
from core.settings import MODELS_DIR, Settings
from db.engine import Database
from db.workers import beat
from tests.support.api import Caller
from tests.support.browser import Browser


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """One model in two versions, and two that cannot be used."""
    folder = tmp_path / "models"
    shutil.copytree(MODELS_DIR / "spam-ngram", folder / "spam-ngram")
    shutil.copytree(MODELS_DIR / "spam-ngram", folder / "spam-old")
    manifest = json.loads((folder / "spam-old" / "manifest.json").read_text())
    manifest |= {"version": "0.9.0", "summary": "<script>alert(1)</script>"}
    (folder / "spam-old" / "manifest.json").write_text(json.dumps(manifest))
    shutil.copytree(MODELS_DIR / "spam-ngram", folder / "damaged")
    (folder / "damaged" / "labels.csv").write_text("x")
    (folder / "<b>odd").mkdir()
    (folder / "<b>odd" / "manifest.json").write_text("{")
    (folder / "defaults.json").write_text('{"spam": "spam-ngram"}')
    return folder


@pytest.fixture
def app(database: Database, database_url: str, redis_url: str, tmp_path: Path, models: Path) -> Iterator[Flask]:
    made = create_app(Settings(database_url=database_url, redis_url=redis_url, data_dir=tmp_path, models_dir=models))
    yield made
    close_app(made)


@pytest.fixture
def browser(app: Flask, acme: Caller, database: Database) -> Browser:
    with database.write() as session:
        beat(session, "worker-of-the-cellar", ["spam-ngram@1.0.0"])
    return Browser.of(app, acme.key)


def test_each_model_says_how_good_it_is_and_where_it_is_warm(browser: Browser) -> None:
    shown = browser.get("/models").text
    assert shown.count('data-testid="model"') == 1
    assert "Older versions (1)" in shown
    assert "default for spam" in shown
    assert "worker-of-the-cellar" in shown
    assert "sms accuracy" in shown
    assert "0.992" in shown
    assert "(0.989 to 0.994)" in shown, "values and intervals are text"
    assert '<rect class="value-bar" width="99.18%"' in shown


def test_what_is_broken_says_why(browser: Browser) -> None:
    shown = browser.get("/models").text
    assert shown.count('data-testid="broken-model"') == 2
    assert "labels.csv is damaged" in shown or "instead of" in shown
    assert "&lt;b&gt;odd" in shown
    assert "<b>odd" not in shown


def test_a_model_shows_its_card(browser: Browser) -> None:
    for name in ("spam-ngram", "spam-ngram@1.0.0"):
        shown = browser.get(f"/models/{name}")
        assert shown.status_code == 200
        assert "<table>" in shown.text
        assert "<h2>How good it is</h2>" in shown.text
    old = browser.get("/models/spam-ngram@0.9.0").text
    assert "<script>alert" not in old


@pytest.mark.parametrize("name", ["nobody", "spam-ngram@9.9.9", "..", "%2e%2e%2fdefaults.json", "damaged", "%00"])
def test_there_is_no_page_of_what_is_not_there(browser: Browser, name: str) -> None:
    answer = browser.get(f"/models/{name}")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")


def test_a_card_that_cannot_be_read_costs_nothing_else(browser: Browser, models: Path) -> None:
    """It may be no text, or not there at all where the manifest does not name it."""
    folder = models / "spam-old"
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"]["README.md"]
    manifest["bytes"] -= (folder / "README.md").stat().st_size
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))
    (folder / "README.md").write_bytes(b"\xff\xfe broken \x00")
    assert "broken" in browser.get("/models/spam-ngram@0.9.0").text
    (folder / "README.md").unlink()
    assert "It has no card." in browser.get("/models/spam-ngram@0.9.0").text


def test_without_a_worker_none_is_warm(app: Flask, acme: Caller) -> None:
    assert "No worker is alive" in Browser.of(app, acme.key).get("/models").text
