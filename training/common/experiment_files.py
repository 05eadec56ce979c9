"""Where experiments are written down: in their task's folder, and in the work folder of a run."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from training.common.experiment import AnyPlan, Experiment

TRAINING = Path(__file__).parents[1]
KEPT = "experiment.json"


def experiment_names() -> list[str]:
    """The name of every file in the folders training/TASK/experiments."""
    return sorted(_experiments())


def load_experiment(name: str) -> Experiment[Any]:
    """The experiment of a file in a folder training/TASK/experiments.

    Raises:
        ValueError: there is none of that name.
    """
    found = _experiments()
    if name not in found:
        raise ValueError(f"there is no experiment {name!r}; there is {', '.join(sorted(found))}")
    experiment = import_module(found[name]).EXPERIMENT
    assert isinstance(experiment, Experiment)
    return experiment


def _experiments() -> dict[str, str]:
    """The module of each experiment by its name."""
    files = [path for path in TRAINING.glob("*/experiments/*.py") if path.stem != "__init__"]
    return {path.stem: f"training.{path.parts[-3]}.experiments.{path.stem}" for path in files}


def keep_experiment(experiment: Experiment[Any], work: Path) -> None:
    """Write down in a work folder what the run in it is a run of.

    Raises:
        ValueError: it is a run of something else; what is in it would come out under settings it never saw.
    """
    path, written = work / KEPT, experiment.model_dump_json(indent=1) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") != written:
        raise ValueError(f"{work} is the work folder of other settings, see {path}; use another one, or delete it")
    work.mkdir(parents=True, exist_ok=True)
    path.write_text(written, encoding="utf-8")


def kept_experiment(work: Path, name: str, plan: type[AnyPlan]) -> Experiment[AnyPlan]:
    """What the run in a work folder is a run of; the experiment of that name where nothing is written down.

    Args:
        work: the work folder.
        name: the experiment's.
        plan: the kind of plan that it has.
    """
    path = work / KEPT
    if path.exists():
        return Experiment[plan].model_validate_json(path.read_bytes())  # type: ignore[valid-type]
    experiment = load_experiment(name)
    assert isinstance(experiment.plan, plan)
    return experiment
