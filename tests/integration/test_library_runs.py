"""Runs of a library on real folders and databases: only what is needed is run, and every photo is counted once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tensorflow")

from core.settings import Settings
from db.engine import Database
from libraries.changes import list_changes
from tests.support.libraries import Library, library, write_models, write_photo


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_models(tmp_path_factory.mktemp("models"), captions=True)


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
        database_url=database_url,
        redis_url=redis_url,
        models_dir=models,
        data_dir=tmp_path / "data",
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


def test_a_copy_is_new_and_reused_and_a_dry_run_changes_nothing(mine: Library, photos: Path) -> None:
    mine.run()
    (photos / "copy.png").write_bytes((photos / "3.png").read_bytes())
    write_photo(photos / "7.png", 7)
    (photos / "4.png").rename(photos / "four.png")
    (photos / "5.png").unlink()
    before = mine.photos()
    dry = mine.run(dry_run=True)
    counts = {"listed": 7, "new": 2, "moved": 1, "unchanged": 4, "gone": 1}
    assert _some(dry["counts"]) == {**counts, "reused": 2, "succeeded": 2}
    assert mine.photos() == before
    assert mine.changes(dry["id"])["copy.png"]["added"] == mine.labels("3.png")
    real = mine.run()
    assert _some(real["counts"]) == {**counts, "ran": 1, "reused": 2, "succeeded": 3}
    assert mine.photos()["5.png"]["state"] == "missing"
    assert mine.labels("copy.png") == mine.labels("3.png")


def test_people_are_shown_the_labels_that_were_sure(mine: Library, photos: Path) -> None:
    """Fails if what a page shows of a night were what the API has of it: everything, whatever it scored."""
    first = mine.run()["id"]
    before = mine.photos()
    write_photo(photos / "0.png", 100)
    second = mine.run()["id"]
    after = mine.photos()
    scores = sorted(label["score"] for photo in before.values() for label in photo["labels"])
    for least in (scores[len(scores) // 2], scores[-1] + 0.1):
        shown = _shown(mine, first, least)
        assert {key: change["added"] for key, change in shown.items()} == {
            key: _sure(photo["labels"], least) for key, photo in before.items()
        }
        came, went = (mine.changes(second)["0.png"][name] for name in ("added", "removed"))
        change = _shown(mine, second, least)["0.png"]
        assert change["added"] == _sure([one for one in after["0.png"]["labels"] if one["label"] in came], least)
        assert change["removed"] == _sure([one for one in before["0.png"]["labels"] if one["label"] in went], least)


def _sure(labels: list[dict[str, Any]], least: float) -> list[str]:
    """Of labels, best first: those that score so much, or the first."""
    return [one["label"] for one in labels if one["score"] >= least] or [one["label"] for one in labels[:1]]


def _shown(mine: Library, run: str, least: float) -> dict[str, dict[str, Any]]:
    with mine.database.read() as session:
        changes = list_changes(session, mine.tenant, mine.id, run, limit=50, least=least)
    return {change["key"]: change for _, change in changes}


def test_copies_that_come_together_are_run_once(mine: Library, photos: Path) -> None:
    (photos / "copy.png").write_bytes((photos / "3.png").read_bytes())
    run = mine.run()
    assert _some(run["counts"]) == {"listed": 7, "new": 7, "ran": 6, "reused": 1, "succeeded": 7}


def test_a_touched_file_is_unchanged_if_its_bytes_are(mine: Library, photos: Path) -> None:
    mine.run()
    os.utime(photos / "2.png")
    run = mine.run()
    assert _some(run["counts"]) == {"listed": 6, "unchanged": 6}
    assert mine.changes(run["id"]) == {}
    again = mine.run(dry_run=True)
    assert _some(again["counts"]) == {"listed": 6, "unchanged": 6}


def test_a_broken_changed_photo_is_changed_and_failed_and_keeps_its_labels(mine: Library, photos: Path) -> None:
    mine.run()
    labels = mine.labels("2.png")
    whole = (photos / "2.png").read_bytes()
    (photos / "2.png").write_bytes(whole[:200])
    run = mine.run()
    assert _some(run["counts"]) == {"listed": 6, "changed": 1, "unchanged": 5, "failed": 1}
    assert run["state"] == "completed"
    assert mine.labels("2.png") == labels
    assert mine.photos()["2.png"]["state"] == "failed"
    assert _some(mine.run()["counts"]) == {"listed": 6, "unchanged": 6}  # waits until its bytes change
    assert _some(mine.run(what="failed")["counts"]) == {"listed": 6, "retried": 1, "unchanged": 5, "failed": 1}
    anew = mine.run(what="all")  # counted as it would be in `changed`, where it waits
    assert _some(anew["counts"]) == {"listed": 6, "unchanged": 6, "ran": 5, "succeeded": 5, "failed": 1}
    assert mine.changes(anew["id"])["2.png"]["why"] == "all was asked for"
    (photos / "2.png").write_bytes(whole)
    mended = mine.run()
    assert _some(mended["counts"]) == {"listed": 6, "changed": 1, "unchanged": 5, "reused": 1, "succeeded": 1}
    assert mine.photos()["2.png"]["state"] == "present"


def test_other_options_make_photos_stale_and_the_old_ones_cost_a_look_up(mine: Library) -> None:
    mine.run()
    labels = mine.labels("2.png")
    mine.patch(options={"tag": {"top_k": 2}})
    dry = mine.run(dry_run=True)
    assert _some(dry["counts"]) == {"listed": 6, "stale": 6}
    assert mine.changes(dry["id"])["2.png"]["why"] == "tag was made with other options"
    assert _some(mine.run()["counts"]) == {"listed": 6, "stale": 6, "ran": 6, "succeeded": 6}
    assert mine.labels("2.png") == labels[:2]
    mine.patch(options={})
    assert _some(mine.run()["counts"]) == {"listed": 6, "stale": 6, "reused": 6, "succeeded": 6}
    assert mine.labels("2.png") == labels


def test_all_runs_past_the_ledger(mine: Library) -> None:
    mine.run()
    assert _some(mine.run(what="all")["counts"]) == {"listed": 6, "unchanged": 6, "ran": 6, "succeeded": 6}


def test_a_limit_leaves_the_rest_for_the_next_run(mine: Library) -> None:
    first = mine.run(limit=2)
    assert _some(first["counts"]) == {"listed": 6, "new": 6, "ran": 2, "succeeded": 2}
    assert _some(mine.run()["counts"]) == {"listed": 6, "new": 4, "unchanged": 2, "ran": 4, "succeeded": 4}


def test_a_source_that_shrinks_is_not_believed(mine: Library, photos: Path) -> None:
    mine.run()
    before = mine.photos()
    for number in range(4):
        (photos / f"{number}.png").unlink()
    shrunk = mine.run()
    assert (shrunk["state"], shrunk["error"]["code"]) == ("source_shrunk", "source_shrunk")
    assert mine.photos() == before
    meant = mine.run(force=True)
    assert _some(meant["counts"]) == {"listed": 2, "unchanged": 2, "gone": 4}


def test_a_source_that_cannot_be_listed_changes_nothing(mine: Library, photos: Path) -> None:
    mine.run()
    before = mine.photos()
    photos.rename(photos.with_name("away"))
    failed = mine.run()
    assert (failed["state"], failed["error"]["code"]) == ("source_failed", "folder_not_found")
    assert mine.photos() == before


def test_relabel_gives_other_labels_without_reading_a_photo(mine: Library, photos: Path) -> None:
    mine.run()
    captions = {key: photo["caption"] for key, photo in mine.photos().items()}
    mine.edit("2.png", add=("mine",))
    write_photo(photos / "new.png", 9)
    for number in range(6):  # what is not listed as changed must not be read
        stat = (photos / f"{number}.png").stat()
        (photos / f"{number}.png").write_bytes(bytes(stat.st_size))
        os.utime(photos / f"{number}.png", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    mine.patch(options={"tag": {"vocabulary": "open-images", "top_k": 2}})
    dry = mine.run(what="relabel", dry_run=True)
    assert _some(dry["counts"]) == {"listed": 7, "new": 1, "stale": 6, "succeeded": 6}
    run = mine.run(what="relabel")
    assert _some(run["counts"]) == {"listed": 7, "new": 1, "stale": 6, "succeeded": 6}
    after = mine.photos()
    assert {key: photo["caption"] for key, photo in after.items()} == captions
    assert mine.labels("2.png")[0] == "mine"
    assert all(label["label"] in ("mine", "Cat!", "Dog", "Red cat") for label in after["2.png"]["labels"])
    assert mine.changes(run["id"]).keys() == mine.changes(dry["id"]).keys()
    change, planned = mine.changes(run["id"])["2.png"], mine.changes(dry["id"])["2.png"]
    assert change["added"] == planned["added"] == ["Cat!"]
    assert change["kept"] == ["mine", "Dog"]  # which is the dog of before
    assert change["removed"] == planned["removed"]
    mine.undo(run["id"])
    assert "dog" in mine.labels("2.png")
    assert mine.labels("2.png")[0] == "mine"


def test_undo_gives_labels_back_and_keeps_what_people_said_since(mine: Library, photos: Path) -> None:
    first = mine.run()
    before = {key: photo["labels"] for key, photo in mine.photos().items()}
    mine.patch(options={"tag": {"top_k": 1}})
    write_photo(photos / "0.png", 50)
    second = mine.run()
    mine.edit("3.png", add=("late",))
    mine.caption("4.png", "mine now")
    mine.undo(second["id"])
    after = mine.photos()
    assert after["3.png"]["labels"][1:] == before["3.png"]
    assert after["3.png"]["labels"][0]["label"] == "late"
    assert all(after[f"{n}.png"]["labels"] == before[f"{n}.png"] for n in (0, 1, 2, 4, 5))
    assert after["4.png"]["caption"]["text"] == "mine now"
    mine.undo(first["id"])
    assert [len(photo["labels"]) for key, photo in sorted(mine.photos().items()) if key != "3.png"] == [0] * 5
    redone = mine.run()
    assert _some(redone["counts"]) == {"listed": 6, "new": 6, "reused": 6, "succeeded": 6}


def test_runs_that_are_undone_in_any_order_leave_what_stood_before_them(mine: Library) -> None:
    """An earlier run that was undone first must not come back with the undoing of the later one."""
    mine.run()
    first = mine.labels("2.png")
    mine.patch(options={"tag": {"top_k": 2}})
    second = mine.run()
    mine.patch(options={"tag": {"top_k": 1}})
    third = mine.run()
    mine.undo(second["id"])
    assert mine.labels("2.png") == first[:1]  # what a later run wrote stands
    mine.undo(third["id"])
    assert mine.labels("2.png") == first
    mine.patch(options={"tag": {"top_k": 2}})
    mine.run()  # makes again what the undone run made, and stands
    mine.patch(options={"tag": {"top_k": 1}})
    mine.undo(mine.run()["id"])
    assert mine.labels("2.png") == first[:2]
