"""The ledger takes a model's variants for one model unless it is asked not to; and then for several, whoever asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tensorflow")

from core.settings import Settings
from db.engine import Database
from db.results import stream_results
from tests.support.artefacts import write_encoder
from tests.support.jobs import make_job
from tests.support.libraries import Library, library, write_models, write_photo
from tests.support.photos import photo_server
from tests.support.variants import add_variants
from tests.support.worker import run_chunk


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder whose int8 graph is another network, so that labels say which of the two they are of."""
    folder = write_models(tmp_path_factory.mktemp("models"))
    other = write_encoder(tmp_path_factory.mktemp("other"), seed=9)
    add_variants(folder / "eye@1.0.0", (other / "graph.pb").read_bytes())
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(3):
        write_photo(tmp_path / "photos" / f"{number}.png", number)
    return tmp_path / "photos"


@pytest.fixture
def base(database_url: str, redis_url: str, models: Path, photos: Path, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url, redis_url=redis_url, models_dir=models, data_dir=tmp_path / "data",
        folders=(str(photos.parent),), runtime="openvino",
    )  # fmt: skip


@contextmanager
def opened(base: Settings, database: Database, tenant: str, library_id: str = "", **changes: str) -> Iterator[Library]:
    with library(base.model_copy(update=changes), database, tenant) as found:
        found.id = library_id
        yield found


def some(run: dict[str, Any]) -> dict[str, int]:
    assert run["state"] == "completed", run
    return {name: count for name, count in run["counts"].items() if count}


def shown(one: Library) -> dict[str, Any]:
    return {key: [(label["label"], label["score"]) for label in photo["labels"]] for key, photo in one.photos().items()}


def test_a_library_is_made_anew_in_another_variant_only_if_it_is_asked_for(
    base: Settings, database: Database, tenant: str, photos: Path
) -> None:
    """Would fail if a change of precision ran a library again unasked, or did not run it although that was asked."""
    with opened(base, database, tenant, precision="f32") as one:
        one.create(source={"folder": str(photos)}, tasks=["tag"])
        assert some(one.run()) == {"listed": 3, "new": 3, "ran": 3, "succeeded": 3}
        before, mine = shown(one), one.id
    with opened(base, database, tenant, mine, precision="int8") as one:
        assert some(one.run()) == {"listed": 3, "unchanged": 3}
        assert shown(one) == before
    with opened(base, database, tenant, mine, precision="int8", ledger_variants="apart") as one:
        anew = one.start()
        assert some(one.finish(anew)) == {"listed": 3, "stale": 3, "ran": 3, "succeeded": 3}
        said = {change["why"] for change in one.changes(anew).values()}
        assert said == {"tag was made by namer@1.0.0, and namer@1.0.0/int8 is asked for"}
        after = shown(one)
        assert after != before
        assert some(one.run()) == {"listed": 3, "unchanged": 3}
        assert some(one.run(what="relabel")) == {"listed": 3, "unchanged": 3}
    with opened(base, database, tenant, mine, precision="f32", ledger_variants="apart") as one:
        assert some(one.run()) == {"listed": 3, "stale": 3, "ran": 3, "succeeded": 3}
        assert shown(one) == before
    with opened(base, database, tenant, mine, precision="int8", ledger_variants="apart") as one:
        assert some(one.run()) == {"listed": 3, "stale": 3, "reused": 3, "succeeded": 3}, "both lie beside each other"
        assert shown(one) == after


def test_a_run_waits_where_nobody_says_in_which_variant(
    base: Settings, database: Database, tenant: str, photos: Path
) -> None:
    """Would fail if a moment without a worker made a whole library stale."""
    with opened(base, database, tenant, precision="f32", ledger_variants="apart") as one:
        one.create(source={"folder": str(photos)}, tasks=["tag"])
        one.run()
        one.worker.leases.stop()  # it signs off
        waiting = one.start()
        for _ in range(3):
            one.step()
        assert one.read(waiting)["state"] in ("queued", "listing")
        mine = one.id
    with opened(base, database, tenant, mine, precision="f32", ledger_variants="apart") as one:
        assert some(one.finish(waiting)) == {"listed": 3, "unchanged": 3}


@pytest.mark.parametrize("how", ["alike", "apart"])
def test_a_job_takes_what_is_known_in_its_own_variant(
    base: Settings, database: Database, tenant: str, how: str
) -> None:
    def outputs(one: Library, url: str) -> dict[str, Any]:
        job = make_job(database, tenant, refs=[f"{url}/cat.jpg"], chunk=1, reuse=True, models={"classify": "eye@1.0.0"})
        assert run_chunk(one.worker, "image")
        [row] = stream_results(database, job)
        assert row["error"] is None
        found: dict[str, Any] = row["outputs"]["classify"]
        assert found["model"] == "eye@1.0.0"
        return found

    with photo_server() as url:
        near = base.model_copy(update={"allow_hosts": (url.split("/")[2],), "ledger_variants": how})
        with opened(near, database, tenant, precision="f32") as one:
            plain = outputs(one, url)
        with opened(near, database, tenant, precision="int8") as one:
            other = outputs(one, url)
            assert outputs(one, url) == other
        with opened(near, database, tenant, precision="f32") as one:
            assert outputs(one, url) == plain
    assert plain["variant"] == "f32"
    assert other["variant"] == ("f32" if how == "alike" else "int8")
    assert (other["labels"] == plain["labels"]) == (how == "alike")
