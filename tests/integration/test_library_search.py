"""Searching a library: where words point, a worker says; what ranks best is what the tagger would score best."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("tensorflow")

from core.broker import Doorbell
from core.errors import Conflict, NotFound, RequestError, Unready
from core.settings import Settings
from db import keys, workers
from db.engine import Database
from libraries.search import LibrarySearch
from tests.support.libraries import Library, library, write_models, write_photo
from worker.libraries.stages import LibraryStages


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def mine(
    database: Database, database_url: str, redis_url: str, models: Path, tenant: str, tmp_path: Path
) -> Iterator[Library]:
    settings = Settings(
        database_url=database_url, redis_url=redis_url, models_dir=models, data_dir=tmp_path / "data",
        folders=(str(tmp_path),),
    )  # fmt: skip
    for number in range(7):
        write_photo(tmp_path / "photos" / f"{number}.png", number)
    with library(settings, database, tenant) as opened:
        opened.create(source={"folder": str(tmp_path / "photos")}, tasks=["tag"], options={"tag": {"top_k": 5}})
        yield opened


@pytest.fixture
def search(mine: Library) -> Iterator[LibrarySearch]:
    doorbell = Doorbell(mine.settings)
    stages = LibraryStages(mine.worker, mine.settings)
    yield LibrarySearch(mine.database, doorbell)
    stages.close()
    doorbell.close()


def test_photos_are_ranked_as_the_tagger_scores_the_words(mine: Library, search: LibrarySearch) -> None:
    assert search.search(mine.tenant, mine.id, "grass", limit=10) == []  # it never ran
    mine.patch(options={"tag": {"vocabulary": ["grass"]}})
    mine.run()
    scores = {key: photo["labels"][0]["score"] for key, photo in mine.photos().items()}
    found = search.search(mine.tenant, mine.id, " grass ", limit=10)
    assert {photo["key"] for photo in found} == scores.keys()
    assert [photo["score"] for photo in found] == sorted((photo["score"] for photo in found), reverse=True)
    assert all(abs(photo["score"] - scores[photo["key"]]) < 0.01 for photo in found)  # stored in half precision
    assert "labels" in found[0]
    pages = [search.search(mine.tenant, mine.id, "grass", limit=3, offset=at) for at in (0, 3, 6, 9)]
    assert [len(page) for page in pages] == [3, 3, 1, 0]
    assert [photo for page in pages for photo in page] == found


def test_what_a_later_run_adds_is_found(mine: Library, search: LibrarySearch) -> None:
    mine.run()
    assert len(search.search(mine.tenant, mine.id, "red dog", limit=10)) == 7
    write_photo(Path(str(mine.settings.folders[0])) / "photos" / "later.png", 20)
    mine.run()
    assert len(search.search(mine.tenant, mine.id, "red dog", limit=10)) == 8


def test_what_cannot_be_searched_says_why(mine: Library, search: LibrarySearch) -> None:
    mine.run()
    with pytest.raises(RequestError, match="field_invalid"):
        search.search(mine.tenant, mine.id, " ", limit=10)
    with pytest.raises(RequestError, match="labels_unreadable"):
        search.search(mine.tenant, mine.id, "犬", limit=10)
    with mine.database.write() as session:
        stranger = keys.create_tenant(session, "rival", "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0")
    with pytest.raises(NotFound, match="library_not_found"):
        search.search(stranger, mine.id, "dog", limit=10)
    with mine.database.write() as session:
        workers.sign_off(session, mine.worker.leases.worker)
    with pytest.raises(Unready, match="no_live_worker"):
        search.search(mine.tenant, mine.id, "dog", limit=10)
    mine.patch(tasks=["classify"])
    with pytest.raises(Conflict, match="search_needs_tag"):
        search.search(mine.tenant, mine.id, "dog", limit=10)
