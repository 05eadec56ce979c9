"""What is measured of a model, what counts as faster, and when measuring ends; clock and rates are made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.calibration.setups import Setup
from worker.calibration.idleness import IdleProcessors
from worker.calibration.search import OutOfTime, search
from worker.calibration.spare_memory import spare_memory
from worker.calibration.stopwatch import Interrupted, Stopwatch

START = Setup("bf16", 16, 4)
VARIANTS = ("f32", "bf16")


def measured(rates: dict[Setup, float], otherwise: Callable[[Setup], float]) -> tuple[list[Setup], Setup]:
    """What is asked for, in order, and what is found."""
    asked: list[Setup] = []

    def rate(setup: Setup) -> float:
        asked.append(setup)
        return rates.get(setup, otherwise(setup))

    return asked, search(START, VARIANTS, 8, rate)[0]


@pytest.mark.parametrize(
    ("coarse", "variant"),
    [(300.0, "bf16"), (111.0, "bf16"), (109.0, "f32"), (50.0, "f32"), (0.0, "f32")],
)
def test_a_coarser_variant_has_to_be_clearly_faster(coarse: float, variant: str) -> None:
    """Also where the processor's features promise it: they are a guess, and this is a measurement."""
    _, found = measured({}, lambda setup: coarse if setup.variant == "bf16" else 100.0)
    assert found == Setup(variant, 16, 4)


def test_batches_and_streams_stay_unless_others_are_clearly_faster() -> None:
    slightly = {Setup("bf16", 8, 4): 207.0, Setup("bf16", 16, 2): 207.0}
    assert measured(slightly, lambda setup: 200.0 if setup.variant == "bf16" else 100.0)[1] == START
    clearly = {Setup("bf16", 8, 4): 230.0, Setup("bf16", 4, 4): 240.0, Setup("bf16", 4, 8): 300.0}
    asked, found = measured(clearly, lambda setup: 200.0 if setup.variant == "bf16" else 100.0)
    assert found == Setup("bf16", 4, 8)
    assert {setup.variant for setup in asked if setup.batch_size != 4} == {"bf16"}, "variants at one size only"
    assert all(setup.batch_size <= START.batch_size and setup.streams <= 8 for setup in asked)


def test_small_limits_leave_little_to_try() -> None:
    only = Setup("f32", 1, 1)
    assert search(only, ("f32",), 1, {only: 10.0}.__getitem__) == (only, {"f32": 10.0})


def test_what_was_found_before_time_ran_out_is_the_answer() -> None:
    def until(last: int) -> Callable[[Setup], float]:
        left = iter(range(last))

        def rate(setup: Setup) -> float:
            if next(left, None) is None:
                raise OutOfTime
            return {"f32": 100.0, "bf16": 300.0}[setup.variant] * (1.5 if setup.batch_size == 8 else 1.0)

        return rate

    with pytest.raises(OutOfTime):  # one variant alone cannot be the faster one
        search(START, VARIANTS, 8, until(1))
    assert search(START, VARIANTS, 8, until(2)) == (START, {"f32": 100.0, "bf16": 300.0})
    assert search(START, VARIANTS, 8, until(3))[0] == START, "half of a comparison says nothing"
    assert search(START, VARIANTS, 8, until(5))[0] == Setup("bf16", 8, 4)


def test_nothing_is_found_where_nothing_runs() -> None:
    with pytest.raises(OutOfTime):
        search(START, VARIANTS, 8, lambda setup: 0.0)


def test_all_that_is_measured_together_takes_no_longer_than_the_budget() -> None:
    now, idle = [0.0], [True]
    stopwatch = Stopwatch(lambda: idle[0], 4.0, clock=lambda: now[0])
    with stopwatch.running():
        stopwatch.check(needed_s=3.9)
        now[0] = 3.0
        stopwatch.check(needed_s=0.9)
        with pytest.raises(OutOfTime):
            stopwatch.check(needed_s=1.1)
    now[0] = 500.0  # waiting for an idle moment is not measuring
    assert (stopwatch.spent, stopwatch.left) == (3.0, 1.0)
    with stopwatch.running():
        now[0] = 501.0
        with pytest.raises(OutOfTime):
            stopwatch.check()
        idle[0] = False
        with pytest.raises(Interrupted):  # work comes first, whatever is left
            stopwatch.check()


def test_how_many_processors_stand_idle(tmp_path: Path) -> None:
    """All that runs on the machine counts, waiting for a disk does not."""
    now, stat = [100.0], tmp_path / "stat"
    stat.write_text("cpu  900 0 50 1000 20 0 0 0 0 0\ncpu0 1 2\n")
    processors = IdleProcessors(stat, clock=lambda: now[0])
    assert processors.count() is None, "no time has passed"
    now[0] = 102.0
    stat.write_text("cpu  1100 0 50 1290 30 0 0 0 0 0\n")
    assert processors.count() == 1.5
    for text in ("", "cpu", "cpu a b c d e f"):
        stat.write_text(text)
        assert processors.count() is None
    stat.unlink()
    assert IdleProcessors(stat).count() is None


def test_how_much_memory_is_to_spare(tmp_path: Path) -> None:
    """The least of what the machine and the container leave; a cache of files gives way."""

    def write(name: str, text: str) -> None:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    assert spare_memory(tmp_path) is None
    write("proc/meminfo", "MemTotal:  9000 kB\nMemAvailable:  5000 kB\nHugePages_Total:  0\n")
    assert spare_memory(tmp_path) == 5000 * 1024
    write("sys/fs/cgroup/memory.max", "max\n")
    write("sys/fs/cgroup/memory.current", "1000\n")
    assert spare_memory(tmp_path) == 5000 * 1024
    write("sys/fs/cgroup/memory.max", "4000\n")
    assert spare_memory(tmp_path) == 3000
    write("sys/fs/cgroup/memory.stat", "anon 700\ninactive_file 200\n")
    assert spare_memory(tmp_path) == 3200
    write("sys/fs/cgroup/memory/memory.limit_in_bytes", "2000\n")
    write("sys/fs/cgroup/memory/memory.usage_in_bytes", "1500\n")
    assert spare_memory(tmp_path) == 500
