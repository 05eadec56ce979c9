"""What is measured of a model, what counts as faster, and when measuring ends; clock and rates are made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.calibration.setups import Setup
from worker.calibration.idleness import Processors
from worker.calibration.search import OutOfTime, search
from worker.calibration.spare_memory import spare_memory
from worker.calibration.stopwatch import Interrupted, Stopwatch
from worker.calibration.trial import Trial
from worker.calibration.workloads import Run

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


@pytest.mark.parametrize(
    ("default", "rates", "variant"),
    [
        ("f32", (40.0, 120.0, 121.0), "bf16"),
        ("f32", (40.0, 121.0, 120.0), "bf16"),
        ("int8", (40.0, 120.0, 121.0), "int8"),
        ("int8", (40.0, 121.0, 120.0), "int8"),
        ("int8", (40.0, 140.0, 120.0), "bf16"),
        ("f32", (40.0, 60.0, 120.0), "int8"),
        ("bf16", (100.0, 105.0, 112.0), "int8"),
        ("bf16", (100.0, 0.0, 105.0), "f32"),
        ("f32", (0.0, 10.0, 10.5), "bf16"),
    ],
)
def test_variants_that_are_equally_fast_do_not_take_turns(default: str, rates: tuple[float, ...], variant: str) -> None:
    """Would fail if noise chose between two that are both faster than single precision: labels would change by it."""
    by_name = dict(zip(("f32", "bf16", "int8"), rates, strict=True))
    assert search(Setup(default, 16, 4), tuple(by_name), 8, lambda s: by_name[s.variant])[0].variant == variant


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
    rates: dict[str, float] = {}
    with pytest.raises(OutOfTime):
        search(START, VARIANTS, 8, until(1), rates)
    assert rates == {"f32": 100.0}, "of use to whoever goes on from there"
    others = {"bf16": 300.0, "int8": 999.0}  # what is known of a variant that may not be chosen counts for nothing
    assert search(START, VARIANTS, 8, until(1), others) == (START, {"f32": 100.0, "bf16": 300.0})


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


def test_what_the_processors_do(tmp_path: Path) -> None:
    """All that runs on the machine counts, also what its host takes for others; waiting for a disk does not."""
    now, own, stat = [100.0], [5.0], tmp_path / "stat"
    before, after = "cpu  900 0 50 1000 20 0 0 0 7 0\ncpu0 1 2\n", "cpu  1100 10 60 1290 30 5 5 30 99 0\n"
    stat.write_text(before)
    processors = Processors(stat, clock=lambda: now[0], own=lambda: own[0])
    assert processors.idle() is None, "no time has passed"
    now[0], own[0] = 102.0, 6.6
    stat.write_text(after)
    assert processors.idle() == pytest.approx(1.5)
    stat.write_text(before)
    now[0], own[0] = 100.0, 5.0
    processors = Processors(stat, clock=lambda: now[0], own=lambda: own[0])
    now[0], own[0] = 102.0, 6.6
    stat.write_text(after)
    assert processors.taken_by_others() == pytest.approx((2.6 - 1.6) / 2)
    for text in ("", "cpu", "cpu a b c d e f"):
        stat.write_text(text)
        assert processors.idle() is None
        assert processors.taken_by_others() is None
    stat.unlink()
    assert Processors(stat).idle() is None


class Scripted(Processors):
    """Others take so much in one round after another."""

    def __init__(self, taken: list[float | None]) -> None:
        self._script = [each for one in taken for each in (None, one)]  # asked before and after each round

    def taken_by_others(self) -> float | None:
        return self._script.pop(0)


def trial(taken: list[float | None], seconds: list[float], loads: list[Setup] | None = None) -> Trial:
    """One whose rounds take so long, after a first one of which nobody asks."""
    now = [0.0]
    left = iter(seconds)

    def workload(setup: Setup) -> Run:
        if loads is not None:
            loads.append(setup)

        def run(items: int) -> None:
            now[0] += 0.0 if items == 1 else next(left)

        return run

    stopwatch = Stopwatch(lambda: True, 1e9, clock=lambda: now[0])
    return Trial("toy@1.0.0", workload, stopwatch, Scripted(taken), clock=lambda: now[0])


def test_a_round_in_which_others_work_does_not_count() -> None:
    """Would fail if a variant were chosen because the machine had other things to do while its rival was measured."""
    quiet, busy = 0.0, 1e6
    made = trial([quiet, busy, quiet], [9.0, 4.0, 1.0, 2.0])
    assert made.rate(Setup("f32", 8, 1)) == 4.0, "the first round is not measured, the second of three is disturbed"
    assert made.rate(Setup("f32", 8, 1)) == 4.0, "what is known is not measured again"
    assert trial([None] * 3, [9.0, 4.0, 8.0]).rate(Setup("f32", 8, 1)) == 2.0, "where nobody says so, all count"
    with pytest.raises(Interrupted):
        trial([busy] * 6, [9.0] * 7).rate(Setup("f32", 8, 1))


def test_a_graph_is_loaded_once_for_all_its_batches() -> None:
    loads: list[Setup] = []
    made = trial([0.0] * 9, [1.0] * 9, loads)
    for setup in (Setup("f32", 8, 1), Setup("f32", 4, 1), Setup("bf16", 4, 1)):
        made.rate(setup)
    assert [one.variant for one in loads] == ["f32", "bf16"]


def test_what_does_not_run_is_left_out() -> None:
    def broken(setup: Setup) -> Run:
        raise RuntimeError("illegal instruction")

    stopwatch = Stopwatch(lambda: True, 1e9)
    assert Trial("toy@1.0.0", broken, stopwatch, Scripted([])).rate(Setup("int8", 8, 1)) == 0.0


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
