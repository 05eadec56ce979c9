"""What is sent about API keys."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.scopes import Scope
from db.keys import ENVIRONMENT
from jobs.fields import MAX_NAME, NO_NUL, Request
from jobs.storable import check_text

ScopeName = Literal["read", "submit", "admin"]


class KeyName(Request):
    """What a key is called."""

    name: str = Field(
        min_length=1,
        max_length=MAX_NAME,
        description="To tell it from others.",
        json_schema_extra={"pattern": f"^(?!{ENVIRONMENT})" + NO_NUL.removeprefix("^")},
    )

    def check(self) -> None:
        """Refuse a name that cannot be kept.

        Raises:
            RequestError: `field_invalid`.
        """
        check_text(self.name, "/name")


class NewKey(KeyName):
    """A key that is to be made."""

    scope: ScopeName = Field(description="What it may do; each scope includes those before it.")

    @property
    def held(self) -> Scope:
        """The scope as the database knows it."""
        return Scope(self.scope)
