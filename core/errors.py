"""The one tree of errors. Codes are stable and part of the contract; only api/http/errors.py knows HTTP."""

from __future__ import annotations

from collections.abc import Sequence


class TaglineError(Exception):
    """Anything Tagline reports to a person.

    Args:
        code: stable snake_case identifier that programs may branch on.
        message: what was wrong and what to do, for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class ItemError(TaglineError):
    """One input could not be processed; its neighbours are not concerned.

    `permanent` says whether trying the same input again is pointless.
    """

    def __init__(self, code: str, message: str, *, permanent: bool = True) -> None:
        super().__init__(code, message)
        self.permanent = permanent


class Postponed(ItemError):
    """The input's host asks for time; nothing is wrong with the input, which should be tried again later.

    Args:
        retry_in_s: when, in seconds from now.
    """

    def __init__(self, host: str, retry_in_s: float) -> None:
        super().__init__("host_paused", f"{host} asks to be left alone for a while", permanent=False)
        self.retry_in_s = retry_in_s


class RequestError(TaglineError):
    """A request that cannot be accepted.

    `where` is a JSON pointer ("/inputs/3/url"), "line 17", or the name of a header or query parameter.
    """

    def __init__(self, code: str, message: str, *, where: str | None = None) -> None:
        super().__init__(code, message)
        self.where = where


class ManyErrors(RequestError):
    """Several things are wrong with one request; the first stands for all."""

    def __init__(self, errors: Sequence[RequestError]) -> None:
        first = errors[0]
        super().__init__(first.code, first.message, where=first.where)
        self.errors = list(errors)


class NotFound(RequestError):
    """The thing does not exist, or belongs to somebody else: the caller cannot tell which."""


class Conflict(RequestError):
    """The thing exists and is in a state that does not allow the request."""


class ArtefactError(TaglineError):
    """A model artefact that is incomplete, damaged or does not do what its manifest says."""


class LeaseLost(TaglineError):
    """The chunk was given to somebody else meanwhile; what was computed for it must be dropped."""

    def __init__(self, chunk_id: int) -> None:
        super().__init__("lease_lost", f"chunk {chunk_id} is no longer ours; its result is dropped")


class Unready(TaglineError):
    """The request is right, and cannot be answered now; the same one may be later."""
