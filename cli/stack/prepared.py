"""What preparing the database brought, as it goes from that process to the supervisor."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Prepared:
    """The outcome.

    Attributes:
        key: the first API key if it was made now.
        news: lines for the operator: what followed from settings that have changed.
    """

    key: str | None = None
    news: list[str] = field(default_factory=list)
