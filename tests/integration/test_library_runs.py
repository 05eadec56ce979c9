"""Runs of a library on real folders and databases: only what is needed is run, and every photo is counted once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("tensorflow")

from core.settings import Settings
from db.engine import Database
from tests.support.artefacts import set_defaults, write_captioner, write_encoder
from tests.support.libraries import Library, library, write_photo
from tests.support.tagger import write_tagger, write_text_encoder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_encoder(folder)
    write_captioner(folder)
    write_text_encoder(folder)
    write_tagger(folder)
    set_defaults(folder, classify="eye", caption="teller", tag="namer")
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for number in range(6):
        write_photo(folder / f"{number}.png", number)
    return folder


@pytest.fixture
def mine(
    database: Database, database_url: str, redis_url: str, models: Path, tenant: str, photos: Path, tmp_path: Path
) -> Iterator[Library]:
    settings = Settings(
        database_url=database_url, redis_url=redis_url, models_dir=models, data_dir=tmp_path / "data",
        folders=(str(photos.parent),),
    )
    with library(settings, database, tenant) as opened:
        opened.create(source={"folder": str(photos)}, tasks=["tag", "caption"])
        yield opened


def _some(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def test_the_second_night_of_the_demo(mine: Library, photos: Path) -> None:
    first = mine.run()
    assert first["state"] == "completed", first
    assert _some(first["counts"]) == {"listed": 6, "new": 6, "ran": 6, "succeeded": 6}
    before = mine.photos()
    write_photo(photos / "6.png", 6)
    write_photo(photos / "0.png", 100)
    (photos / "1.png").rename(photos / "sub.png")
    mine.edit("2.png", add=("mine",), remove=(before["2.png"]["labels"][0]["label"],))
    second = mine.run()
    expected = {"listed": 7, "new": 1, "changed": 1, "moved": 1, "unchanged": 4}
    assert _some(second["counts"]) == {**expected, "ran": 2, "reused": 1, "succeeded": 3}
    after = mine.photos()
    assert after["sub.png"]["id"] == before["1.png"]["id"]
    assert after["2.png"]["labels"][0] == {"label": "mine", "score": None, "by": "person"}
    assert before["2.png"]["labels"][0]["label"] not in mine.labels("2.png")
    third = mine.run()
    assert _some(third["counts"]) == {"listed": 7, "unchanged": 7}
    assert os.listdir(photos)
