"""What an experiment file says, typed: an unknown setting is an error, not a surprise.

Every experiment has a name, a schedule and a plan. What the plan says is the task's own: each task's folder has a plan.
"""

from __future__ import annotations

from typing import Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny

from core.texts.prepare import TextSpec


class Settings(BaseModel):
    """A part of an experiment: cannot be changed, and knows all its settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Schedule(Settings):
    """How long and how fast.

    Attributes:
        epochs: passes over the training examples.
        batch_size: examples in a step.
        learning_rate: the optimiser's at first; it falls to 0.
    """

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)


class Plan(Settings):
    """What a task's networks are and how they learn; every task has its own.

    Attributes:
        task: the task's name in `training.tasks`.
    """

    task: str

    def needed_artefacts(self) -> tuple[str, ...]:
        """Names of the artefacts that a run reads."""
        return ()

    def shrunk(self) -> Self:
        """The same plan, so small that a run takes seconds: for `training.train_small`."""
        raise NotImplementedError


AnyPlan = TypeVar("AnyPlan", bound=Plan)


class Experiment(Settings, Generic[AnyPlan]):
    """One artefact: what it is called, what it learns from, how.

    Attributes:
        name, version, summary: as the manifest has them.
        seed: of everything random.
        features: how texts become numbers; goes into the artefact. None for photos.
    """

    name: str
    version: str
    summary: str
    seed: int
    features: TextSpec | None = None
    schedule: Schedule
    plan: SerializeAsAny[AnyPlan]

    @property
    def text(self) -> TextSpec:
        """The features of an experiment on texts."""
        assert self.features is not None
        return self.features
