"""The training loop: seeded, resumable at every epoch, the same end whether it was interrupted or not."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

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


class Run(Protocol):
    """One training of an experiment, as its task sets it up.

    Attributes:
        network: what is trained.
    """

    network: keras.Model

    def fitting(self) -> Fitting:
        """What there is to `fit`."""


def fit(fitting: Fitting, folder: Path, *, stop_after: int | None = None) -> list[dict[str, float]]:
    """Train, or go on where a run in the same folder stopped.

    Args:
        fitting: what to train.
        folder: gets state.npz (weights, optimiser and random state after each epoch), metrics.json and curve.svg.
        stop_after: interrupt after this many epochs; for tests.

    Returns:
        One row an epoch: "epoch", "loss", "seconds" and what `measure` gave.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = restore(fitting, folder)
    while len(rows) < fitting.epochs and (stop_after is None or len(rows) < stop_after):
        rows.append(_epoch(fitting, len(rows)))
        _save(fitting, folder, rows)
    return rows


def _epoch(fitting: Fitting, epoch: int) -> dict[str, float]:
    started, total, count = monotonic(), 0.0, 0
    # An epoch's order depends on its number alone, so a resumed run sees what an uninterrupted one sees.
    random = np.random.default_rng([fitting.seed, epoch])
    with Progress(f"epoch {epoch + 1}/{fitting.epochs}", fitting.steps) as progress:
        for inputs, targets in fitting.batches(random):
            total += float(fitting.network.train_on_batch(inputs, targets))
            count += 1
            progress.step(f"loss {total / count:.4f}")
        row = {"epoch": epoch + 1, "loss": total / max(count, 1), **fitting.measure(), "seconds": monotonic() - started}
        progress.note("  ".join(f"{name} {value:.4f}" for name, value in row.items() if name != "epoch"))
    return row


def _variables(fitting: Fitting) -> list[Any]:
    return [*fitting.network.variables, *fitting.network.optimizer.variables]


def _save(fitting: Fitting, folder: Path, rows: list[dict[str, float]]) -> None:
    (folder / METRICS).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    write_curve(folder / CURVE, rows)
    values = {f"v{at}": keras.ops.convert_to_numpy(value) for at, value in enumerate(_variables(fitting))}
    draft = folder / "state.tmp.npz"
    np.savez(draft, rows=np.array(json.dumps(rows)), **values)
    os.replace(draft, folder / STATE)  # written whole or not at all


def restore(fitting: Fitting, folder: Path) -> list[dict[str, float]]:
    """The rows of the epochs that are done in a folder, with the state after them restored; none if there is none."""
    fitting.network.optimizer.build(fitting.network.trainable_variables)
    if not (folder / STATE).exists():
        return []
    with np.load(folder / STATE) as state:
        variables = _variables(fitting)
        shapes = [state[f"v{at}"].shape for at in range(len(state.files) - 1)]
        if shapes != [tuple(value.shape) for value in variables]:
            raise ValueError(f"{folder / STATE} is of another network; train in another folder")
        for at, value in enumerate(variables):
            value.assign(state[f"v{at}"])
        rows: list[dict[str, float]] = json.loads(str(state["rows"]))
        return rows
