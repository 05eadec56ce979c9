"""A task of training is a folder and one line: what the commands need is there, and found without Keras."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from training.captioner.sequence_plan import SequencePlan
from training.common.experiment_files import experiment_names, keep_experiment, kept_experiment, load_experiment
from training.common.model_card import CARDS
from training.tasks import TASKS, task_named

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_KERAS = """
import sys
from training.common.experiment_files import experiment_names, load_experiment
from training.tasks import tasks
assert all(task.measure for task in tasks())
assert all(load_experiment(name).plan for name in experiment_names())
assert not {"keras", "tensorflow", "openvino"} & set(sys.modules), sorted(sys.modules)
"""


@pytest.mark.parametrize("name", experiment_names())
def test_an_experiment_lies_with_its_task_and_so_does_its_card(name: str) -> None:
    experiment = load_experiment(name)
    task, folder = task_named(experiment.plan.task), TASKS[experiment.plan.task].split(".")[1]
    assert (ROOT / "training" / folder / "experiments" / f"{name}.py").is_file()
    shipped = (ROOT / "models" / experiment.name).is_dir()  # others are steps on the way, or a reader's own
    cards = [CARDS / folder / "cards" / f"{experiment.name}.md"] if shipped else []
    assert list(CARDS.glob(f"*/cards/{experiment.name}.md")) == cards
    assert all(map(callable, (task.start, task.finish, task.measure, task.write_made_up)))


def test_tasks_and_experiments_are_listed_without_keras() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_KERAS], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_two_files_share_a_name() -> None:
    names = [path.name for path in (ROOT / "training").rglob("*.py") if path.name != "__init__.py"]
    assert sorted(set(names)) == sorted(names)


def test_what_a_run_is_of_is_read_back_with_its_plan_and_nothing_else_is_run_there(tmp_path: Path) -> None:
    experiment = load_experiment("caption_transformer")
    changed = experiment.model_copy(update={"plan": experiment.plan.model_copy(update={"samples": 7})})
    assert kept_experiment(tmp_path, "caption_transformer", SequencePlan) == experiment, "nothing is written down yet"
    keep_experiment(changed, tmp_path)
    kept = kept_experiment(tmp_path, "caption_transformer", SequencePlan)
    assert isinstance(kept.plan, SequencePlan)
    assert kept.plan == changed.plan
    with pytest.raises(ValueError, match="work folder of other settings"):
        keep_experiment(experiment, tmp_path)
