"""Train every text task on made-up data: the whole way from files to artefacts, in about a minute.

    python -m training.train_small --out FOLDER

What comes out has learnt next to nothing, but it is served like the real ones.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.text import CharGrams, TextSpec, TokenGrams
from training.experiment import Convolutional, Experiment, Recurrent, SentimentPlan, experiment_names, load_experiment

EPOCHS = 2


def shrink(experiment: Experiment) -> Experiment:
    """The same experiment with few epochs, narrow layers and small tables."""
    plan = experiment.plan
    update: dict[str, object] = {}
    if plan.task == "language":
        update["sentences"] = 90
        if isinstance(plan.net, Convolutional):
            update["net"] = plan.net.model_copy(update={"dim": 8, "filters": {2: 8, 3: 8}, "hidden": 8})
        elif isinstance(plan.net, Recurrent):
            update["net"] = plan.net.model_copy(update={"dim": 8, "units": 8})
    elif isinstance(plan, SentimentPlan):
        update["members"] = tuple(m.model_copy(update={"dim": 8, "filters": {2: 8}}) for m in plan.members)
    schedule = experiment.schedule.model_copy(update={"epochs": EPOCHS, "batch_size": 32})
    small = {"plan": plan.model_copy(update=update), "schedule": schedule, "features": shrink_features(experiment)}
    return experiment.model_copy(update=small)


def shrink_features(experiment: Experiment) -> TextSpec:
    """The same features with fewer buckets."""
    features = experiment.features.features
    if isinstance(features, CharGrams | TokenGrams):
        fewer = {"buckets": 1 << 12, **({"words": 1 << 10} if isinstance(features, TokenGrams) else {})}
        return experiment.features.model_copy(update={"features": features.model_copy(update=fewer)})
    return experiment.features


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="gets data/, work/ and models/")
    out = parser.parse_args().out
    train_small(out)


def train_small(out: Path) -> list[Path]:
    """Train everything below `out`; gives the artefacts' folders."""
    from training.run import run
    from training.text.made_up import write_made_up

    write_made_up(out / "data")
    folders = []
    for name in experiment_names():
        experiment = shrink(load_experiment(name))
        folder = out / "models" / experiment.name
        run(experiment, out / "data", folder, out / "work" / experiment.name)
        folders.append(folder)
    return folders


if __name__ == "__main__":
    main()
