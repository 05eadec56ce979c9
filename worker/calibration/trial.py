"""How many items a second a model does in one setup or another."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from core.calibration.setups import Setup, most_streams
from core.processor import this_processor
from worker.calibration.idleness import Processors
from worker.calibration.search import OutOfTime
from worker.calibration.stopwatch import Interrupted, Stopwatch
from worker.calibration.workloads import Run, Workload

log = logging.getLogger(__name__)

ROUNDS, LEAST_S = 3, 0.2  # rounds in which each stream runs one batch, and seconds after which two of them will do
MOST_TAKEN, MOST_TAKEN_SHARE = 0.3, 0.1  # processors that others take, or that part of those that are ours
MOST_TRIED = 6  # rounds, for those count in which others left the processors alone


class Trial:
    """Measures setups of one model. What was measured once is known, also after an interruption."""

    def __init__(
        self,
        model_id: str,
        workload: Workload,
        stopwatch: Stopwatch,
        processors: Processors,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`model_id` is for the log."""
        self._model_id = model_id
        self._workload = workload
        self._stopwatch = stopwatch
        self._processors = processors
        self._clock = clock
        self._cores = most_streams(this_processor())
        self._known: dict[Setup, float] = {}
        self._loaded: tuple[tuple[str, int], Run] | None = None
        self._load_s = self._first_s = 0.0

    def rate(self, setup: Setup) -> float:
        """Items a second; 0 if the setup does not run.

        Raises:
            Interrupted, OutOfTime: see Stopwatch.check.
        """
        if setup not in self._known:
            try:
                self._known[setup] = self._measure(setup)
            except (Interrupted, OutOfTime):
                raise
            except Exception as error:  # whatever a runtime says of a graph, or of the memory for it
                extra = {"model": self._model_id, "variant": setup.variant}
                log.warning("a setup does not run and is left out: %s", error, extra=extra)
                self._known[setup] = 0.0
        return self._known[setup]

    def close(self) -> None:
        """Let go of the graph, and of the memory that it takes."""
        self._loaded = None

    def _measure(self, setup: Setup) -> float:
        run = self._load(setup)
        self._stopwatch.check(needed_s=2 * setup.batch_size * self._first_s)  # all streams together: each has a core
        with ThreadPoolExecutor(setup.streams, thread_name_prefix="calibration") as pool:
            self._round(pool, run, setup)  # what is new about a size is compiled and allocated now
            took: list[float] = []
            for _ in range(MOST_TRIED):
                if len(took) == ROUNDS or (len(took) == ROUNDS - 1 and sum(took) > LEAST_S):
                    break
                self._stopwatch.check(needed_s=min(took, default=0.0))
                self._processors.taken_by_others()  # till now
                seconds = self._round(pool, run, setup)
                if (self._processors.taken_by_others() or 0.0) <= max(MOST_TAKEN, MOST_TAKEN_SHARE * self._cores):
                    took.append(seconds)
        if not took:
            raise Interrupted  # the machine is no longer idle: what would be measured is the others
        return setup.streams * setup.batch_size / min(took)

    def _round(self, pool: ThreadPoolExecutor, run: Run, setup: Setup) -> float:
        started = self._clock()
        list(pool.map(run, [setup.batch_size] * setup.streams))
        return self._clock() - started

    def _load(self, setup: Setup) -> Run:
        """Have the graph of a setup ready, and know how long one item takes."""
        wanted = setup.variant, setup.streams
        if self._loaded is None or self._loaded[0] != wanted:
            self._stopwatch.check(needed_s=2 * self._load_s)
            self._loaded = None  # never two at a time
            started = self._clock()
            run = self._workload(setup)
            run(1)
            loaded = self._clock()
            run(1)
            self._load_s, self._first_s = loaded - started, self._clock() - loaded
            self._loaded = wanted, run
        return self._loaded[1]
