"""The tasks a job can ask for: what each takes, on which queue it runs, and which options it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import RequestError

Medium = Literal["image", "text"]


class TaskOptions(BaseModel):
    """Base of every task's options: unknown names are an error, and numbers are not guessed from strings."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ClassifyOptions(TaskOptions):
    """Options of `classify`."""

    top_k: int = Field(5, ge=1, le=1000, description="How many labels to return, best first.")
    threshold: float = Field(0.0, ge=0.0, le=1.0, description="Leave out labels that score below this.")


class SentimentOptions(TaskOptions):
    """Options of `sentiment`."""

    threshold: float | None = Field(
        None, ge=0.0, le=1.0, description="Say positive from this score of positive on; one half unless given."
    )


class LanguageOptions(TaskOptions):
    """Options of `language`."""

    top_k: int = Field(3, ge=1, le=3, description="How many languages to return, likeliest first.")


class SpamOptions(TaskOptions):
    """Options of `spam`."""

    threshold: float | None = Field(
        None, ge=0.0, le=1.0, description="Say spam from this score of spam on; what the model recommends unless given."
    )


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One task.

    Attributes:
        name: as it stands in a request.
        medium: what it takes, an image or a text; also the name of the queue it runs on.
        summary: one sentence for people.
        options: the model of its options; its JSON Schema is served by GET /v1/tasks.
    """

    name: str
    medium: Medium
    summary: str
    options: type[TaskOptions]

    @property
    def queue(self) -> str:
        return self.medium

    def parse_options(self, given: object, where: str) -> dict[str, Any]:
        """The options with defaults filled in.

        Raises:
            RequestError: `option_invalid`, naming the option.
        """
        try:
            return self.options.model_validate(given).model_dump()
        except ValidationError as error:
            first = error.errors()[0]
            path = "/".join([where, *(str(part) for part in first["loc"])])
            names = ", ".join(self.options.model_fields)
            text = {
                "extra_forbidden": f"{self.name} has no such option; it has {names}.",
                "model_type": f"The options of {self.name} are an object; it has {names}.",
            }.get(first["type"], f"{first['msg']}.")
            raise RequestError("option_invalid", text, where=path) from None


TASKS: dict[str, TaskSpec] = {
    task.name: task
    for task in (
        TaskSpec("classify", "image", "The 1,000 ImageNet classes, ranked by probability.", ClassifyOptions),
        TaskSpec("sentiment", "text", "Whether a review is positive or negative.", SentimentOptions),
        TaskSpec("language", "text", "Whether a word or a text is English, French or Spanish.", LanguageOptions),
        TaskSpec("spam", "text", "Whether a short message is spam.", SpamOptions),
    )
}

QUEUES: tuple[str, ...] = ("image", "text")
