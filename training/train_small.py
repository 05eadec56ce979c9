"""Train every task on made-up data: the whole way from files to artefacts, in less than three minutes.

    python -m training.train_small --out FOLDER

What comes out has learnt next to nothing, but it is served like the real ones.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

from core.texts.prepare import CharGrams, TextSpec, TokenGrams
from training.common.experiment import (
    CaptionPlan,
    Convolutional,
    EncoderPlan,
    Experiment,
    FeedForward,
    LanguagePlan,
    Recurrent,
    SentimentPlan,
    TagPlan,
    experiment_names,
    load_experiment,
)

EPOCHS = 2
PHOTO_TASKS = ("encoder", "caption", "tag")  # in the order in which they stand on each other
SHIPPED = Path("models")


def shrink(experiment: Experiment) -> Experiment:
    """The same experiment with few epochs, narrow layers and small tables."""
    plan = experiment.plan
    size = 8 if plan.task in PHOTO_TASKS else 32
    small = {
        "plan": plan.model_copy(update=_plan(plan)),
        "schedule": experiment.schedule.model_copy(update={"epochs": EPOCHS, "batch_size": size}),
        "features": experiment.features and shrink_features(experiment.features),
    }
    return experiment.model_copy(update=small)


def _plan(plan: Any) -> dict[str, Any]:
    """What is smaller in a plan."""
    match plan:
        case LanguagePlan():
            return {"sentences": 90, "net": plan.net.model_copy(update=_net(plan.net))}
        case SentimentPlan():
            return {"members": tuple(m.model_copy(update={"dim": 8, "filters": {2: 8}}) for m in plan.members)}
        case EncoderPlan():
            net = {"layers": 1, "dim": 32, "heads": 2, "hidden": 32}
            few = {"views": 2, "least_count": 2, "most_words": 8, "warm_up": 2, "average": 0.5}
            return {"net": plan.net.model_copy(update=net), **few}
        case CaptionPlan():
            return {"samples": 2, "average": 0.5}
        case TagPlan():
            few = {"views": 2, "words": 2, "phrases": 2, "components": 8, "size": 16}
            return {**few, "class_size": 8}
    return {}


def _net(net: FeedForward | Convolutional | Recurrent) -> dict[str, Any]:
    """What is smaller in a network over characters."""
    match net:
        case FeedForward():
            return {"deep_buckets": 1 << 10}
        case Convolutional():
            return {"dim": 8, "filters": {2: 8, 3: 8}, "hidden": 8}
        case Recurrent():
            return {"dim": 8, "units": 8}


def shrink_features(spec: TextSpec) -> TextSpec:
    """The same features with fewer buckets."""
    features = spec.features
    if not isinstance(features, CharGrams | TokenGrams):
        return spec
    fewer = {"buckets": 1 << 12, **({"words": 1 << 10} if isinstance(features, TokenGrams) else {})}
    return spec.model_copy(update={"features": features.model_copy(update=fewer)})


def small_experiments() -> dict[str, Experiment]:
    """Every experiment that can be run, shrunk, by the name of its file: one that others stand on comes before them."""
    every = {name: load_experiment(name) for name in experiment_names()}
    order = sorted(every, key=lambda name: [*PHOTO_TASKS, every[name].plan.task].index(every[name].plan.task))
    return {name: shrink(every[name]) for name in order if _possible(every[name])}


def _possible(experiment: Experiment) -> bool:
    """Whether what is trained elsewhere and stood on is installed."""
    plan = experiment.plan
    return not isinstance(plan, TagPlan) or (SHIPPED / plan.text).is_dir()


def train_small(out: Path) -> list[Path]:
    """Train everything below `out`; gives the artefacts' folders."""
    from training.common.photos.made_up_photos import write_made_up_photos
    from training.language.made_up_words import write_made_up
    from training.run import run

    write_made_up(out / "data")
    write_made_up_photos(out / "data")
    folders = []
    for name, experiment in small_experiments().items():
        if isinstance(experiment.plan, TagPlan):
            text = experiment.plan.text
            shutil.copytree(SHIPPED / text, out / "models" / text, dirs_exist_ok=True)
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
