"""The tasks a job can ask for: what each takes, on which queue it runs, and which options it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from core.errors import ItemError, RequestError

Medium = Literal["image", "text"]
VocabularyName = Literal["photos", "open-images"]  # see core/artefacts/vocabularies.py
MAX_BEAMS, BEAMS = 8, 4
OwnLabel = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\u0000]*$")]


class TaskOptions(BaseModel):
    """Base of every task's options: unknown names are an error, and numbers are not guessed from strings."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ClassifyOptions(TaskOptions):
    """Options of `classify`."""

    top_k: int = Field(5, ge=1, le=1000, description="How many labels to return, best first.")
    threshold: float = Field(0.0, ge=0.0, le=1.0, description="Leave out labels that score below this.")


def _fewer_candidates_than_beams() -> dict[str, Any]:
    """In JSON Schema: candidates <= beam_size, one case for each number of candidates."""

    def case(most: int) -> dict[str, Any]:
        bounds = {"beam_size": {"minimum": most}, "candidates": {"maximum": most}}
        return {"properties": bounds, "required": ["beam_size"]} if most > BEAMS else {"properties": bounds}

    return {"anyOf": [case(most) for most in range(1, MAX_BEAMS + 1)]}


class CaptionOptions(TaskOptions):
    """Options of `caption`."""

    model_config = ConfigDict(json_schema_extra=_fewer_candidates_than_beams())

    beam_size: int = Field(BEAMS, ge=1, le=MAX_BEAMS, description="Sentences followed at a time; 1 is greedy.")
    max_words: int = Field(
        20,
        ge=3,
        le=30,
        description="No sentence gets longer than this; a model may have a lower limit, see its settings.",
    )
    candidates: int = Field(1, ge=1, le=MAX_BEAMS, description="Sentences to return, best first; up to beam_size.")

    @field_validator("candidates")
    @classmethod
    def _a_beam_each(cls, candidates: int, info: ValidationInfo) -> int:
        beams = info.data.get("beam_size", MAX_BEAMS)
        if candidates > beams:
            raise PydanticCustomError("candidates", "Ask for at most as many as beam_size, {beams}", {"beams": beams})
        return candidates


def _form_of_vocabulary(given: object) -> str:
    return "own" if isinstance(given, list | tuple) else "named"


class TagOptions(TaskOptions):
    """Options of `tag`."""

    top_k: int = Field(20, ge=1, le=1000, description="How many labels to return, best first.")
    threshold: float = Field(0.0, ge=0.0, le=1.0, description="Leave out labels that score below this.")
    vocabulary: Annotated[
        Annotated[VocabularyName, Tag("named")]
        | Annotated[list[OwnLabel], Field(min_length=1, max_length=1000), Tag("own")],
        Discriminator(_form_of_vocabulary),
    ] = Field(
        "photos",
        description="The labels to choose from: a named vocabulary, or a list of your own in words. Of those that read "
        "the same the first counts, and those that cannot be read are left out.",
    )


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
            # Behind the option's name only places in lists matter: the rest names branches of our own types.
            parts = [part for at, part in enumerate(first["loc"]) if at == 0 or isinstance(part, int)]
            path = "/".join([where, *map(str, parts)])
            names = ", ".join(self.options.model_fields)
            text = {
                "extra_forbidden": f"{self.name} has no such option; it has {names}.",
                "model_type": f"The options of {self.name} are an object; it has {names}.",
                "literal_error": f"{first['msg']}, or a list of your own.",  # vocabularies alone are literals
                "too_short": "The list is empty; leave the option out, or put something in.",
                "too_long": f"The list has more than {first.get('ctx', {}).get('max_length')} entries.",
            }.get(first["type"], f"{first['msg']}.")
            raise RequestError("option_invalid", text, where=path) from None


TASKS: dict[str, TaskSpec] = {
    task.name: task
    for task in (
        TaskSpec("classify", "image", "The 1,000 ImageNet classes, ranked by probability.", ClassifyOptions),
        TaskSpec("caption", "image", "An English sentence that says what is in the photo.", CaptionOptions),
        TaskSpec("tag", "image", "Labels of any vocabulary, your own included, ranked for the photo.", TagOptions),
        TaskSpec("sentiment", "text", "Whether a review is positive or negative.", SentimentOptions),
        TaskSpec("language", "text", "Whether a word or a text is English, French or Spanish.", LanguageOptions),
        TaskSpec("spam", "text", "Whether a short message is spam.", SpamOptions),
    )
}

QUEUES: tuple[str, ...] = ("image", "text")


def read_options(task: str, stored: Mapping[str, Any]) -> TaskOptions:
    """The options of a job as they are stored for a task; those that are not named have their defaults.

    Raises:
        ItemError: `option_invalid`, they were accepted by another version of Tagline than this.
    """
    options = TASKS[task].options if task in TASKS else TaskOptions
    try:
        return options.model_validate(dict(stored))
    except ValidationError as error:
        first = error.errors()[0]
        where = "/".join([task, *map(str, first["loc"])])
        text = f"This worker cannot read the job's options: {first['msg']} at {where}."
        raise ItemError("option_invalid", text, permanent=False) from None
