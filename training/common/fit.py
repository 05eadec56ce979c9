"""The training loop: seeded, resumable at every epoch, the same end whether it was interrupted or not."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from training.common.curve import write_curve
from training.common.progress import Progress

Batch = tuple[NDArray[Any] | dict[str, NDArray[Any]], NDArray[Any]]
STATE, METRICS, CURVE = "state.npz", "metrics.json", "curve.svg"


@dataclass(frozen=True, slots=True)
class Fitting:
    """What one training run consists of.

    Attributes:
        network: compiled.
        batches: inputs and targets of an epoch, from a generator that is the epoch's own.
        steps: how many batches an epoch has, about.
        epochs: how many epochs.
        measure: scores by name, after each epoch; for the curve, never from the test split.
        seed: of the order of the examples.
    """

    network: keras.Model
    batches: Callable[[np.random.Generator], Iterator[Batch]]
    steps: int
    epochs: int
    measure: Callable[[], dict[str, float]]
    seed: int


def fit(job: Fitting, folder: Path, *, stop_after: int | None = None) -> list[dict[str, float]]:
    """Train, or go on where a run in the same folder stopped.

    Args:
        job: what to train.
        folder: gets state.npz (weights, optimiser and random state after each epoch), metrics.json and curve.svg.
        stop_after: interrupt after this many epochs; for tests.

    Returns:
        One row an epoch: "epoch", "loss", "seconds" and what `measure` gave.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = restore(job, folder)
    while len(rows) < job.epochs and (stop_after is None or len(rows) < stop_after):
        rows.append(_epoch(job, len(rows)))
        _save(job, folder, rows)
    return rows


def linear_decay(learning_rate: float, steps: int) -> Any:
    """A learning rate that falls to nothing in a straight line over so many steps."""
    return keras.optimizers.schedules.PolynomialDecay(learning_rate, max(steps, 1), end_learning_rate=0.0)


class TwoFalls(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A learning rate that falls to nothing in a straight line, and then once more from another one."""

    def __init__(self, first: float, steps: int, second: float, more_steps: int) -> None:
        """`first` falls over so many `steps`, `second` over `more_steps` behind them."""
        self._first, self._steps, self._second, self._more_steps = first, max(steps, 1), second, max(more_steps, 1)

    def __call__(self, step: Any) -> Any:
        at = keras.ops.cast(step, "float32")
        before = self._first * (1 - at / self._steps)
        behind = self._second * (1 - (at - self._steps) / self._more_steps)
        return keras.ops.where(at < self._steps, before, keras.ops.maximum(behind, 0.0))

    def get_config(self) -> dict[str, Any]:
        return {
            "first": self._first, "steps": self._steps, "second": self._second, "more_steps": self._more_steps,
        }  # fmt: skip


def _epoch(job: Fitting, epoch: int) -> dict[str, float]:
    started, total, count = monotonic(), 0.0, 0
    # An epoch's order depends on its number alone, so a resumed run sees what an uninterrupted one would have.
    random = np.random.default_rng([job.seed, epoch])
    with Progress(f"epoch {epoch + 1}/{job.epochs}", job.steps) as progress:
        for inputs, targets in job.batches(random):
            total += float(job.network.train_on_batch(inputs, targets))
            count += 1
            progress.step(f"loss {total / count:.4f}")
        row = {"epoch": epoch + 1, "loss": total / max(count, 1), **job.measure(), "seconds": monotonic() - started}
        progress.note("  ".join(f"{name} {value:.4f}" for name, value in row.items() if name != "epoch"))
    return row


def _variables(job: Fitting) -> list[Any]:
    return [*job.network.variables, *job.network.optimizer.variables]


def _save(job: Fitting, folder: Path, rows: list[dict[str, float]]) -> None:
    (folder / METRICS).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    write_curve(folder / CURVE, rows)
    values = {f"v{at}": keras.ops.convert_to_numpy(value) for at, value in enumerate(_variables(job))}
    draft = folder / "state.tmp.npz"
    np.savez(draft, rows=np.array(json.dumps(rows)), **values)
    os.replace(draft, folder / STATE)  # whole or not at all: an interruption here costs one epoch


def restore(job: Fitting, folder: Path) -> list[dict[str, float]]:
    """The rows of the epochs that are done in a folder, with the state after them restored; none if there is none."""
    job.network.optimizer.build(job.network.trainable_variables)
    if not (folder / STATE).exists():
        return []
    with np.load(folder / STATE) as state:
        variables = _variables(job)
        shapes = [state[f"v{at}"].shape for at in range(len(state.files) - 1)]
        if shapes != [tuple(value.shape) for value in variables]:
            raise ValueError(f"{folder / STATE} is of another network; train in another folder")
        for at, value in enumerate(variables):
            value.assign(state[f"v{at}"])
        rows: list[dict[str, float]] = json.loads(str(state["rows"]))
        return rows
