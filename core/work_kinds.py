"""Kinds of work, as far as how fast it goes depends on what a job asks for."""

from __future__ import annotations

from collections.abc import Iterable

from core.states import Priority


def work_kind(tasks: Iterable[str], priority: int, *, reuse: bool) -> str:
    """A name for jobs whose items take about as long, for instance "caption+tag bulk".

    Args:
        priority: single photos take longer than those of full batches.
        reuse: outputs that are known already will do, which takes hardly any time; also of a library's run.
    """
    words = ["+".join(sorted(tasks)), Priority(priority).name.lower(), *(["reuse"] if reuse else [])]
    return " ".join(words)
