"""Random histories of a library against a simple model of what should be there.

Photos are added, copied, changed, renamed and removed, people edit, options change, runs are tried, run, interrupted by
the death of whoever had them in hand, and undone. After each run every count and every photo must be what the model
says; each would differ if a photo were run twice, forgotten, or shown with another's labels.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tensorflow")

from core.images.decode import decode_image
from core.settings import Settings
from core.states import RunStage
from core.tasks import TagOptions
from db.claims import claim_chunk
from db.engine import Database
from db.library_runs import claim_stage
from db.reap import reap_leases
from tests.support.libraries import Library, library, write_models, write_photo
from worker.inference.dispatch import Dispatcher

OWN = ("mine", "ours", "cat", "grass")
STEPS, SEEDS = 35, (1,)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def mine(
    database: Database, database_url: str, redis_url: str, models: Path, tenant: str, tmp_path: Path
) -> Iterator[Library]:
    settings = Settings(
        database_url=database_url, redis_url=redis_url, models_dir=models, data_dir=tmp_path / "data",
        folders=(str(tmp_path),), chunk_size=3,
    )  # fmt: skip
    (tmp_path / "photos").mkdir()
    with library(settings, database, tenant) as opened:
        opened.create(source={"folder": str(tmp_path / "photos")}, tasks=["tag"], options={"tag": {"top_k": 3}})
        yield opened


@dataclass
class Known:
    """A photo as it should be known."""

    number: int  # in the order in which photos became known
    content: int  # of its bytes when they were last read
    shown: tuple[int, int] | None  # content and top_k of what it shows
    added: list[str] = field(default_factory=list)
    removed: set[str] = field(default_factory=set)
    caption: str | None = None
    missing: bool = False


class Model:
    """What should be there."""

    def __init__(self) -> None:
        self.files: dict[str, int] = {}
        self.photos: dict[str, Known] = {}
        self.ledger: set[tuple[int, int]] = set()
        self.top_k = 3
        self.undo: tuple[str, dict[int, tuple[tuple[int, int] | None, tuple[int, int] | None]]] | None = None
        self._numbers = 0

    def kinds(self) -> tuple[dict[str, str], dict[str, Known]]:
        """What each listed key is, and which photo goes on under which new key."""
        lost = [known for key, known in self.photos.items() if key not in self.files]
        moved: dict[str, Known] = {}
        kinds = {}
        for key, content in sorted(self.files.items()):
            known = self.photos.get(key)
            if known is None or known.shown is None:
                same = [one for one in lost if one.content == content and one not in moved.values()]
                nameless = known is None or not (known.added or known.removed)
                if same and nameless:
                    moved[key] = min(same, key=lambda one: one.number)
                kinds[key] = "moved" if key in moved else "new"
            elif known.content != content:
                kinds[key] = "changed"
            else:
                kinds[key] = "unchanged" if known.shown == (content, self.top_k) else "stale"
        return kinds, moved

    def counts(self) -> dict[str, int]:
        """What a run should count."""
        kinds, moved = self.kinds()
        counts = {"listed": len(kinds), "failed": 0, "retried": 0, "skipped": 0}
        for kind in ("new", "changed", "moved", "unchanged", "stale"):
            counts[kind] = sum(one == kind for one in kinds.values())
        gone = [known for key, known in self.photos.items() if key not in self.files and not known.missing]
        counts["gone"] = sum(known not in moved.values() for known in gone)
        counts["succeeded"] = sum(kind != "unchanged" for kind in kinds.values())
        due = [self.files[key] for key, kind in kinds.items() if kind != "unchanged"]
        counts["ran"] = len({content for content in due if (content, self.top_k) not in self.ledger})
        counts["reused"] = counts["succeeded"] - counts["ran"]
        return counts

    def run(self, run_id: str) -> None:
        """What a run should leave."""
        kinds, moved = self.kinds()
        undo = {}
        for key, kind in kinds.items():
            content = self.files[key]
            if key in moved:
                known = moved[key]
                self.photos = {name: one for name, one in self.photos.items() if one is not known}
                self.photos[key] = known
            elif key not in self.photos:
                self._numbers += 1
                self.photos[key] = Known(self._numbers, content, None)
            known = self.photos[key]
            known.missing = False
            if kind != "unchanged":
                undo[known.number] = (known.shown, (content, self.top_k))
                known.content, known.shown = content, (content, self.top_k)
                self.ledger.add((content, self.top_k))
        for key, known in self.photos.items():
            known.missing = key not in self.files
        self.undo = (run_id, undo)

    def undone(self) -> None:
        assert self.undo is not None
        for known in self.photos.values():
            before, after = self.undo[1].get(known.number, (None, None))
            if after is not None and known.shown == after:
                known.shown = before
        self.undo = None


class History:
    """Random steps, done to a real library and to the model."""

    def __init__(self, library: Library, seed: int) -> None:
        self.library = library
        self.model = Model()
        self.random = random.Random(seed)
        self.folder = Path(str(library.settings.folders[0])) / "photos"
        self.content = 0
        self.labels: dict[tuple[int, int], list[str]] = {}

    def step(self) -> None:
        steps = [self.add] * 4 + [self.copy, self.change, self.rename, self.remove] * 2
        steps += [self.edit, self.caption] * 2 + [self.options, self.undo] + [self.run] * 4 + [self.crash] * 3
        self.random.choice(steps)()

    def some(self) -> str | None:
        return self.random.choice(sorted(self.model.files)) if self.model.files else None

    def add(self) -> None:
        self.content += 1
        self.write(f"{self.random.choice('abc')}/{self.content}.png", self.content)

    def write(self, key: str, content: int) -> None:
        write_photo(self.folder / key, content)
        self.model.files[key] = content
        if (content, 1) not in self.labels:
            every = self.oracle((self.folder / key).read_bytes())
            self.labels.update({(content, top_k): every[:top_k] for top_k in range(1, 6)})

    def oracle(self, data: bytes) -> list[str]:
        """All labels of a photo, best first, from the model itself."""
        served = self.library.worker.models.get("tag", None)
        dispatcher = Dispatcher(1, {"tag": served}, {"tag": TagOptions(top_k=5)})
        pixels = {spec: decode_image(data, spec, 10**6).pixels for spec in dispatcher.image_specs}
        raw = dispatcher.infer_image(pixels)["tag"].result(timeout=180)
        return [label["label"] for label in dispatcher.render("tag", raw).json["labels"]]

    def copy(self) -> None:
        if key := self.some():
            self.write(key.replace(".png", "+.png"), self.model.files[key])

    def change(self) -> None:
        if key := self.some():
            self.content += 1
            self.write(key, self.content)

    def rename(self) -> None:
        if key := self.some():
            self.content += 1
            target = f"z/{self.content}.png"
            (self.folder / "z").mkdir(exist_ok=True)
            (self.folder / key).rename(self.folder / target)
            self.model.files[target] = self.model.files.pop(key)

    def remove(self) -> None:
        if key := self.some():
            (self.folder / key).unlink()
            del self.model.files[key]

    def edit(self) -> None:
        if not self.model.photos:
            return
        key = self.random.choice(sorted(self.model.photos))
        known, label = self.model.photos[key], self.random.choice(OWN)
        known.added = [one for one in known.added if one != label]
        known.removed -= {label}
        if self.random.random() < 0.5:
            known.added.append(label)
            self.library.edit(key, add=(label,))
        else:
            known.removed.add(label)
            self.library.edit(key, remove=(label,))

    def caption(self) -> None:
        if not self.model.photos:
            return
        key = self.random.choice(sorted(self.model.photos))
        self.model.photos[key].caption = self.random.choice([None, "a caption"])
        self.library.caption(key, self.model.photos[key].caption)

    def options(self) -> None:
        self.model.top_k = self.random.randint(1, 4)
        self.library.patch(options={"tag": {"top_k": self.model.top_k}})

    def undo(self) -> None:
        if self.model.undo is not None:
            self.library.undo(self.model.undo[0])
            self.model.undone()
            self.check()

    def run(self) -> None:
        if self.random.random() < 0.25:
            dry = self.library.run(dry_run=True, force=True)
            kinds = ("listed", "new", "changed", "moved", "unchanged", "stale", "gone")
            assert {name: dry["counts"][name] for name in kinds} == {name: self.model.counts()[name] for name in kinds}
            self.check()
        run = self.library.run(force=True)
        self.compare(run)

    def crash(self) -> None:
        """A run whose stages and chunks are taken by workers that die with them in hand."""
        run_id = self.library.start(force=True)
        for _ in range(4):
            self.library.advancer.advance_all()
            with self.library.database.write() as session:
                claim_stage(session, worker="ghost", lease_ms=-1, stages=[RunStage.LIST])
                claim_chunk(session, queue="image", worker="ghost", lease_ms=60_000)
            with self.library.database.write() as session:
                reap_leases(session, max_attempts=3, worker="ghost")
            if self.random.random() < 0.5:
                self.library.step()
        self.compare(self.library.finish(run_id))

    def compare(self, run: dict[str, Any]) -> None:
        assert run["state"] == "completed", run
        assert run["counts"] == self.model.counts()
        self.model.run(run["id"])
        self.check()

    def check(self) -> None:
        expected = {key: self.expected(known) for key, known in self.model.photos.items()}
        found = {
            key: ([label["label"] for label in photo["labels"]], (photo["caption"] or {}).get("text"),
                  photo["state"] == "missing")
            for key, photo in self.library.photos().items()
        }  # fmt: skip
        assert found == expected

    def expected(self, known: Known) -> tuple[list[str], str | None, bool]:
        said = self.labels[known.shown] if known.shown else []
        models = [label for label in said if label not in known.added and label not in known.removed]
        return [*known.added, *models], known.caption, known.missing


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_history_leaves_what_the_model_says(mine: Library, seed: int) -> None:
    history = History(mine, seed)
    for _ in range(5):
        history.add()
    for _ in range(STEPS):
        history.step()
    history.run()


def test_the_model_of_this_test_tells_histories_apart() -> None:
    """If the model forgot what runs do, the test above would compare nothing."""
    model = Model()
    model.files = {"a": 1, "b": 1, "c": 2}
    assert model.counts()["ran"] == 2
    model.run("r")
    model.files = {"a": 1, "d": 2}
    counts = model.counts()
    assert (counts["moved"], counts["gone"], counts["unchanged"], counts["ran"]) == (1, 1, 1, 0)
    assert replace(model.photos["a"]).shown == (1, 3)
