"""What executes a graph, whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from core.errors import ArtefactError


class Runtime(Protocol):
    """One loaded graph, which may hold several parts: the one that runs lies between what is fed and what is wanted.

    Attributes:
        name: which runtime it is, for logs and metrics.
        device: what it runs on: "cpu", or "cuda".
        streams: how many runs at a time pay off; more are allowed and wait for one another.
    """

    name: str
    device: str
    streams: int

    def run(self, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Run a part of the graph on a batch; may be called from several threads at once.

        Args:
            feeds: by the name of the input, [N, ...] of the type and shape that the artefact's manifest gives for it.
            outputs: the names wanted; the others are neither computed beyond need nor copied.

        Returns:
            Each wanted output as an array that belongs to the caller.

        Raises:
            ArtefactError: `graph_output_missing`, the graph has no output of that name; `graph_input_wrong`, the
                wanted outputs are computed from other inputs.
        """
        ...


def inputs_wrong(graph: Path, needed: Iterable[str], given: Iterable[str]) -> ArtefactError:
    """What to raise where a part of a graph is fed something else than it is computed from."""
    wants, got = (", ".join(sorted(names)) or "nothing" for names in (needed, given))
    return ArtefactError("graph_input_wrong", f"this part of {graph.name} takes {wants}; it was given {got}")
