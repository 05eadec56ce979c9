"""Which labels people are shown: the ones that are more likely true than not. Programs get all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

CONFIDENT = 0.5
Label = Mapping[str, Any]
all_labels_option = click.option(
    "--all-labels", is_flag=True, help=f"Show labels that score below {CONFIDENT} too.", default=False
)


def confident(labels: Sequence[Label], *, every: bool = False) -> Sequence[Label]:
    """The labels that score at least 0.5, those that a person gave, and the first in any case.

    Args:
        labels: the one that is given first, each with a `score`, None for a person's.
        every: leave none out.
    """
    if every:
        return labels
    return [label for at, label in enumerate(labels) if not at or label["score"] is None or label["score"] >= CONFIDENT]
