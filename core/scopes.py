"""What a key may do; each scope includes those before it."""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """Stored, sent and shown as it is spelled here; from the least to the most."""

    READ = "read"  # look at jobs, results, libraries and models
    SUBMIT = "submit"  # make and change them, too
    ADMIN = "admin"  # the secret that signs webhooks, and keys

    def covers(self, needed: Scope) -> bool:
        """Whether a key of this scope may do what needs `needed`."""
        order = list(Scope)
        return order.index(self) >= order.index(needed)
