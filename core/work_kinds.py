"""Kinds of work, as far as how fast it goes depends on what a job asks for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from core.states import Priority


class Asked(Protocol):
    """What a job, a row of one, and a claim on a chunk of it say alike of the work."""

    @property
    def tasks(self) -> Iterable[str]: ...

    @property
    def priority(self) -> int: ...

    @property
    def reuse(self) -> bool: ...

    @property
    def library_run(self) -> object | None: ...


def work_kind(asked: Asked) -> str:
    """A name for jobs whose items take about as long, for instance "caption+tag bulk".

    Single photos take longer than those of full batches. Where outputs that are known already will do, as in a
    library's run, most take hardly any time.
    """
    reuse = asked.reuse or asked.library_run is not None
    words = ["+".join(sorted(asked.tasks)), Priority(asked.priority).name.lower(), *(["reuse"] if reuse else [])]
    return " ".join(words)
