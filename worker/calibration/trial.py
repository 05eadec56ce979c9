"""How many photos a second an image encoder does in one setup or another, tried with a graph of its own.

The graph that serves is left alone: a job that comes meanwhile finds it as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

import numpy as np

from core.artefacts.manifest import Manifest, check_files
from core.calibration.setups import Setup
from core.images.decode import ImageSpec
from worker.calibration.search import OutOfTime
from worker.calibration.stopwatch import Interrupted, Stopwatch
from worker.models.load import variant_of
from worker.runtimes.checked import CheckedRuntime
from worker.runtimes.choose import load_runtime

log = logging.getLogger(__name__)

ROUNDS, LEAST_S = 3, 0.2  # rounds in which each stream runs one batch, and seconds after which two of them will do


class EncoderTrial:
    """Measures setups of one encoder. What was measured once is known, also after an interruption."""

    def __init__(
        self, folder: Path, manifest: Manifest, stopwatch: Stopwatch, clock: Callable[[], float] = monotonic
    ) -> None:
        """`folder` and `manifest` are the artefact's, whose graph OpenVINO runs."""
        self._folder = folder
        self._manifest = manifest
        self._stopwatch = stopwatch
        self._clock = clock
        self._known: dict[Setup, float] = {}
        self._loaded: tuple[tuple[str, int], CheckedRuntime] | None = None
        self._load_s = self._first_s = 0.0
        spec = manifest.preprocessing
        assert isinstance(spec, ImageSpec)
        width, height = spec.size
        self._photo = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
        (self._input,) = manifest.inputs

    def rate(self, setup: Setup) -> float:
        """Photos a second; 0 if the setup does not run.

        Raises:
            Interrupted, OutOfTime: see Stopwatch.check.
        """
        if setup not in self._known:
            try:
                self._known[setup] = self._measure(setup)
            except (Interrupted, OutOfTime):
                raise
            except Exception as error:  # whatever a runtime says of a graph, or of the memory for it
                extra = {"model": self._manifest.id, "variant": setup.variant}
                log.warning("a setup does not run and is left out: %s", error, extra=extra)
                self._known[setup] = 0.0
        return self._known[setup]

    def close(self) -> None:
        """Let go of the graph, and of the memory that it takes."""
        self._loaded = None

    def _measure(self, setup: Setup) -> float:
        self._load(setup)
        round_s = setup.batch_size * self._first_s  # all streams together: each has a core of its own
        self._stopwatch.check(needed_s=2 * round_s)
        with ThreadPoolExecutor(setup.streams, thread_name_prefix="calibration") as pool:
            self._round(pool, setup)  # what is new about a size is compiled and allocated now
            took: list[float] = []
            while len(took) < ROUNDS and not (len(took) == ROUNDS - 1 and sum(took) > LEAST_S):
                self._stopwatch.check(needed_s=min(took, default=0.0))
                took.append(self._round(pool, setup))
        # Whatever else runs on the machine only ever makes a round longer.
        return setup.streams * setup.batch_size / min(took)

    def _round(self, pool: ThreadPoolExecutor, setup: Setup) -> float:
        started = self._clock()
        list(pool.map(self._run, [setup.batch_size] * setup.streams))
        return self._clock() - started

    def _run(self, items: int) -> None:
        assert self._loaded is not None
        batch = np.repeat(self._photo[None], items, axis=0)
        self._loaded[1].run({self._input: batch}, sorted(self._manifest.outputs))

    def _load(self, setup: Setup) -> None:
        """Have the graph of a setup ready, and know how long one photo takes."""
        wanted = setup.variant, setup.streams
        if self._loaded is not None and self._loaded[0] == wanted:
            return
        self._stopwatch.check(needed_s=2 * self._load_s)
        self._loaded = None  # never two at a time
        for variant in self._manifest.variants:
            if variant.name == setup.variant:
                check_files(self._folder, variant)
        started = self._clock()
        chosen = variant_of(self._manifest, setup)
        if chosen.name != setup.variant:
            raise ValueError(f"{self._manifest.id} has no {setup.variant} here")
        runtime = load_runtime(self._folder / chosen.graph, "openvino", chosen.compute, chosen.streams)
        self._loaded = wanted, CheckedRuntime(runtime, self._manifest)
        self._run(1)
        loaded = self._clock()
        self._run(1)
        self._load_s, self._first_s = loaded - started, self._clock() - loaded
