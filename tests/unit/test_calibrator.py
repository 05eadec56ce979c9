"""The thread that measures: when it begins, that work comes first, and what it leaves behind however it ends."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from core.artefacts.manifest import Manifest, load_manifest
from core.calibration.found_file import TRIES, CalibrationRoom, FoundFile
from core.calibration.setups import RunsAs, Setup, calibration_key
from core.processor import this_processor
from core.settings import Settings
from tests.support.manifests import make
from worker.calibration import calibrator as module
from worker.calibration.calibrator import SPARE, Calibrator
from worker.calibration.idleness import Processors
from worker.calibration.search import OutOfTime
from worker.calibration.stopwatch import Interrupted, Stopwatch
from worker.calibration.workloads import Workload
from worker.inference.lanes import ServedArtefact

SOON = 0.002


@dataclass
class Loaded:
    """Something that was loaded."""

    manifest: Manifest
    streams: int = 1


@dataclass
class Scene:
    """A worker with one encoder, and what is done in its idle moments."""

    folder: Path
    settings: Settings
    served: ServedArtefact
    idle: threading.Event = field(default_factory=threading.Event)
    asked: list[Setup] = field(default_factory=list)
    during: Callable[[], None] = lambda: None
    opened: list[Calibrator] = field(default_factory=list)

    def calibrator(self, **arguments: Any) -> Calibrator:
        free = {"processors": lambda: Processors(Path("/nowhere")), "memory": lambda: None}
        arguments = {**free, **arguments}
        made = Calibrator(self.settings, lambda: [self.served], self.idle.is_set, look_s=SOON, **arguments)
        self.opened.append(made)
        made.start()
        return made

    def run(self, **arguments: Any) -> None:
        """Measure to the end."""
        self.idle.set()
        self.calibrator(**arguments)._thread.join(180)
        assert not self.opened[-1]._thread.is_alive()

    @property
    def key(self) -> str:
        return calibration_key(self.served.loaded.manifest, self.settings, this_processor())

    @property
    def kept(self) -> FoundFile:
        return CalibrationRoom(self.settings.data_dir).read()


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """Batches of 8 are the fastest, whatever the machine."""
    folder = make(tmp_path / "models")
    (tmp_path / "data").mkdir()
    settings = Settings(data_dir=tmp_path / "data", models_dir=folder.parent)
    loaded = cast(Any, Loaded(load_manifest(folder)))
    made = Scene(
        folder, settings, ServedArtefact(loaded, None, cast(Any, object()), RunsAs(Setup("f32", 16), "default"), folder)
    )

    class Trial:
        def __init__(self, model_id: str, workload: Workload, stopwatch: Stopwatch, processors: Processors) -> None:
            assert model_id == "toy@1.0.0"
            self.stopwatch = stopwatch

        def rate(self, setup: Setup) -> float:
            self.stopwatch.check()
            made.asked.append(setup)
            made.during()
            self.stopwatch.check()
            return 200.0 if setup.batch_size == 8 else 100.0

        def close(self) -> None:
            pass

    monkeypatch.setattr(module, "Trial", Trial)
    monkeypatch.setattr(module, "encoder_workload", lambda folder, manifest: None)
    yield made
    for one in made.opened:
        one.close()


def test_it_measures_once_and_keeps_what_it_found(scene: Scene) -> None:
    scene.run()
    [found] = scene.kept.found.values()
    assert (found.model, found.variant, found.batch_size, found.streams) == ("toy@1.0.0", "f32", 8, 1)
    assert scene.kept.begun == {}
    assert scene.kept.found.keys() == {scene.key}
    asked = len(scene.asked)
    scene.run()
    assert len(scene.asked) == asked, "what is known is not measured again"


def test_it_waits_for_an_idle_worker_and_an_idle_machine(scene: Scene, tmp_path: Path) -> None:
    """Would fail if it measured beside jobs, of this worker or of whoever else uses the machine."""
    stat = tmp_path / "stat"
    stat.write_text("cpu 0 0 0 0 0\n")
    looked = threading.Semaphore(0)

    class Busy(Processors):
        def idle(self) -> float | None:
            looked.release()
            return 0.0 if busy else None

    busy = True
    scene.calibrator(processors=Busy)
    for _ in range(10):
        assert looked.acquire(timeout=180)
    busy = False
    for _ in range(10):
        assert looked.acquire(timeout=180)
    assert scene.asked == []
    assert not CalibrationRoom(scene.settings.data_dir).file.exists()
    scene.idle.set()
    scene.opened[0]._thread.join(180)
    assert scene.kept.found


def test_it_waits_for_memory(scene: Scene) -> None:
    """Would fail if a worker in a small container were killed for something that nobody waits for."""
    spare, looked = SPARE - 1, threading.Semaphore(0)

    def memory() -> int:
        looked.release()
        return spare

    scene.idle.set()
    scene.calibrator(memory=memory)
    for _ in range(10):
        assert looked.acquire(timeout=180)
    assert scene.asked == []
    spare = SPARE
    scene.opened[0]._thread.join(180)
    assert scene.kept.found


def test_work_that_comes_meanwhile_goes_first(scene: Scene) -> None:
    came = threading.Event()

    def work() -> None:
        if not came.is_set():
            scene.idle.clear()
            came.set()

    scene.during = work
    scene.idle.set()
    calibrator = scene.calibrator()
    assert came.wait(180)
    asked = len(scene.asked)
    while scene.kept.begun:  # until what was begun is laid down
        pass
    assert (asked, scene.kept.found) == (1, {}), "not a step more, and half a measurement is none"
    scene.idle.set()
    calibrator._thread.join(180)
    assert scene.kept.found


def test_it_gives_up_when_its_seconds_are_spent(scene: Scene) -> None:
    scene.run(budget_s=0.0)
    assert (scene.asked, scene.kept) == ([], FoundFile())


def test_stopping_does_not_wait_for_the_end(scene: Scene) -> None:
    stopping = threading.Event()

    def stop() -> None:
        scene.opened[0]._stop.set()
        stopping.set()

    scene.during = stop
    scene.idle.set()
    scene.calibrator()
    assert stopping.wait(180)
    scene.opened[0].close()
    assert len(scene.asked) == 1
    assert scene.kept == FoundFile(), "an orderly stop is no reason not to try again"


def test_a_worker_that_dies_of_it_does_not_die_for_ever(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """What a process that was killed leaves behind: it began, and never ended."""
    room = CalibrationRoom(scene.settings.data_dir)
    for _ in range(TRIES):
        with room.locked():
            room.write(room.read().begin(scene.key))
    scene.run()
    assert scene.asked == []
    assert "workers ended while they did" in caplog.text
    text = json.loads(room.file.read_text())
    room.file.write_text(json.dumps({**text, "begun": {scene.key: TRIES - 1}}))
    scene.run()
    assert scene.kept.found
    assert scene.kept.begun == {}


@pytest.mark.parametrize("error", [Interrupted, OutOfTime, RuntimeError])
def test_an_end_of_its_own_takes_back_no_death(scene: Scene, error: type[Exception]) -> None:
    """Would fail if workers could die of it for ever because a job came in between, or if a bug passed for a death."""
    room = CalibrationRoom(scene.settings.data_dir)
    with room.locked():
        room.write(FoundFile().begin(scene.key))

    def end() -> None:
        during.append(scene.kept.begun[scene.key])
        scene.opened[0]._stop.set()
        raise error("an end")

    during = list[int]()
    scene.during = end
    scene.run()
    assert during == [2], "meanwhile both stand there"
    assert scene.kept.begun == {scene.key: 1}


def test_the_next_start_goes_on_where_time_ran_out(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Would fail if a machine on which each variant takes long measured the first of them at every start, for ever."""
    monkeypatch.setattr(module, "variants_to_try", lambda *_: ("f32", "bf16"))

    def end() -> None:
        if scene.asked[-1].variant == "bf16":
            raise OutOfTime

    scene.during = end
    scene.run()
    assert [setup.variant for setup in scene.asked] == ["f32", "bf16"]
    assert scene.kept == FoundFile(partial={scene.key: {"f32": 100.0}})
    scene.during, scene.asked = lambda: None, []
    scene.run()
    assert (scene.asked[0].variant, scene.asked[0].batch_size) == ("bf16", 4), "f32 is known"
    assert scene.kept.found[scene.key].rates == {"f32": 100.0, "bf16": 100.0}
    assert scene.kept.partial == {}


def test_only_one_of_several_workers_measures(scene: Scene) -> None:
    with CalibrationRoom(scene.settings.data_dir).locked():
        scene.idle.set()
        scene.calibrator()
        scene.opened[0]._thread.join(50 * SOON)
        assert scene.opened[0]._thread.is_alive()
        assert scene.asked == []
    scene.opened[0]._thread.join(180)
    assert scene.kept.found


@pytest.mark.parametrize("place", ["no folder", "a file", "a file in it"])
def test_without_a_place_to_keep_it_nothing_is_measured(
    scene: Scene, place: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = tmp_path / "other"
    if place == "a file":
        data.write_text("")
    elif place == "a file in it":
        data.mkdir()
        (data / "calibration").write_text("")
    scene.settings = Settings(data_dir=data, models_dir=scene.folder.parent)
    with caplog.at_level("INFO"):
        scene.run()
    assert scene.asked == []
    assert caplog.text.count("it could not be kept") == 1


def test_a_measurement_that_fails_changes_nothing(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise RuntimeError("a bug")

    scene.during = fail
    scene.run()
    assert "everything runs as it did" in caplog.text
    assert scene.kept.found == {}
