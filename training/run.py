"""Run an experiment: train, calibrate, export, measure. One command, one experiment file.

    python -m training.run EXPERIMENT --data DATA --out FOLDER [--work FOLDER]

Interrupted and started again with the same work folder, it goes on after the last whole epoch and ends at the same
place. The work folder gets the state, metrics.json and curve.svg. KERAS_BACKEND=jax trains on JAX; the
same command without it then exports and measures, which needs TensorFlow.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

from training.common.datasets.data_folder import data_of
from training.common.experiment import Experiment, experiment_names, keep_experiment, load_experiment

# Task of the plan -> who starts and finishes its runs; imported when it is needed, since Keras is slow to import.
TASKS = {
    "sentiment": "training.sentiment.sentiment_package",
    "language": "training.sentiment.sentiment_package",
    "spam": "training.sentiment.sentiment_package",
    "encoder": "training.captioner.caption_task",
    "caption": "training.captioner.caption_task",
    "tag": "training.tagger.tag_package",
}


def run(experiment: Experiment, data: Path, out: Path, work: Path) -> None:
    """Train an experiment and write its artefact."""
    import keras

    from training.common.fit import fit

    keep_experiment(experiment, work)
    data = data_of(experiment.plan.task, data)
    part = import_module(TASKS[experiment.plan.task])
    training = part.start(experiment, data, work)
    fit(training.fitting(), work)
    if keras.backend.backend() == "tensorflow":
        part.finish(training, experiment, out, data)
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
