"""Run an experiment: train, calibrate, export, measure. One command, one experiment file.

    python -m training.run EXPERIMENT --data DATA --out FOLDER [--work FOLDER]

Interrupted and started again with the same work folder, it goes on after the last whole epoch and ends at the same
place. The work folder gets the state, metrics.json and curve.svg. KERAS_BACKEND=jax trains on JAX; the
same command without it then exports and measures, which needs TensorFlow.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.common.experiment import Experiment
from training.common.experiment_files import experiment_names, keep_experiment, load_experiment
from training.tasks import task_named

if TYPE_CHECKING:
    from training.common.fit import Run


def start(experiment: Experiment[Any], data: Path, work: Path) -> Run:
    """A run of an experiment, from a data folder and a work folder."""
    return task_named(experiment.plan.task).start(experiment, data, work)


def run(experiment: Experiment[Any], data: Path, out: Path, work: Path) -> None:
    """Train an experiment and write its artefact."""
    import keras

    from training.common.fit import fit

    keep_experiment(experiment, work)
    training = start(experiment, data, work)
    fit(training.fitting(), work)
    if keras.backend.backend() == "tensorflow":
        task_named(experiment.plan.task).finish(training, experiment, out, data)
    else:
        print(f"trained; the same command with KERAS_BACKEND=tensorflow writes {out}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=experiment_names())
    parser.add_argument("--data", type=Path, required=True, help="the data folder, see training/README.md")
    parser.add_argument("--out", type=Path, required=True, help="folder of the artefact")
    parser.add_argument("--work", type=Path, help="folder of the training state; runs/EXPERIMENT unless given")
    arguments = parser.parse_args()
    work = arguments.work or Path("runs") / arguments.experiment
    run(load_experiment(arguments.experiment), arguments.data, arguments.out, work)


if __name__ == "__main__":
    main()
