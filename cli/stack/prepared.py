"""What preparing the database brought, as it goes from that process to the supervisor."""

from __future__ import annotations

from dataclasses import dataclass, field


def link_to_sign_in(base: str, token: str) -> str:
    """Where a browser goes to be signed in.

    Args:
        base: where browsers reach the service, without a final slash.
    """
    return f"{base}/login/link?token={token}"


@dataclass(frozen=True, slots=True)
class Prepared:
    """The outcome.

    Attributes:
        key: the first API key if it was made now.
        news: lines for the operator: what followed from settings that have changed.
        link: the token of a link that signs in once.
    """

    key: str | None = None
    news: list[str] = field(default_factory=list)
    link: str | None = None
