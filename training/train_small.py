"""Train every task on made-up data: the whole way from files to artefacts, in less than three minutes.

    python -m training.train_small --out FOLDER

What comes out has learnt next to nothing, but it is served like the real ones.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from core.texts.prepare import CharGrams, TextSpec, TokenGrams
from training.common.experiment import Experiment
from training.common.experiment_files import experiment_names, load_experiment
from training.tasks import TASKS, task_named

EPOCHS = 2
PHOTOS, TEXTS = 8, 32  # in a batch
SHIPPED = Path("models")


def shrink(experiment: Experiment[Any]) -> Experiment[Any]:
    """The same experiment with few epochs, narrow layers and small tables."""
    size = TEXTS if experiment.features else PHOTOS
    small = {
        "plan": experiment.plan.shrunk(),
        "schedule": experiment.schedule.model_copy(update={"epochs": EPOCHS, "batch_size": size}),
        "features": experiment.features and shrink_features(experiment.features),
    }
    return experiment.model_copy(update=small)


def shrink_features(spec: TextSpec) -> TextSpec:
    """The same features with fewer buckets."""
    features = spec.features
    if not isinstance(features, CharGrams | TokenGrams):
        return spec
    fewer = {"buckets": 1 << 12, **({"words": 1 << 10} if isinstance(features, TokenGrams) else {})}
    return spec.model_copy(update={"features": features.model_copy(update=fewer)})


def small_experiments() -> dict[str, Experiment[Any]]:
    """Every experiment that can be run, shrunk, by the name of its file, in the order of the tasks."""
    every = {name: load_experiment(name) for name in experiment_names()}
    order = sorted(every, key=lambda name: list(TASKS).index(every[name].plan.task))
    installed = [name for name in shipped_artefacts(every.values()) if (SHIPPED / name).is_dir()]
    made = [experiment.name for experiment in every.values()]
    possible = [name for name in order if {*every[name].plan.needed_artefacts()} <= {*made, *installed}]
    return {name: shrink(every[name]) for name in possible}


def shipped_artefacts(experiments: Iterable[Experiment[Any]]) -> list[str]:
    """Names of the artefacts that experiments read and none of them makes."""
    every = list(experiments)
    needed = {name for experiment in every for name in experiment.plan.needed_artefacts()}
    return sorted(needed - {experiment.name for experiment in every})


def train_small(out: Path) -> list[Path]:
    """Train everything below `out`; gives the artefacts' folders."""
    from training.run import run

    experiments = small_experiments()
    # Tasks on photos share their made-up data: it is written once.
    for write in dict.fromkeys(task_named(each.plan.task).write_made_up for each in experiments.values()):
        write(out / "data")
    for name in shipped_artefacts(experiments.values()):
        shutil.copytree(SHIPPED / name, out / "models" / name, dirs_exist_ok=True)
    folders = []
    for name, experiment in experiments.items():
        folder = out / "models" / experiment.name
        run(experiment, out / "data", folder, out / "work" / name)
        folders.append(folder)
    return folders


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="gets data/, work/ and models/")
    train_small(parser.parse_args().out)


if __name__ == "__main__":
    main()
