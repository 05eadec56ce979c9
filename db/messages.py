"""Messages of errors, fit to be stored."""

from __future__ import annotations

MESSAGE_CHARS = 1000


def storable(message: str) -> str:
    """A message that may quote a library or a stranger's bytes, fit for PostgreSQL: no NUL, no surrogates, not long."""
    clean = message[:MESSAGE_CHARS].replace("\0", "\N{REPLACEMENT CHARACTER}")
    return clean.encode("utf-8", "replace").decode("utf-8")
