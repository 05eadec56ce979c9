"""What executes a graph, whatever it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from numpy.typing import NDArray


class Runtime(Protocol):
    """One loaded graph.

    Attributes:
        name: which runtime it is, for logs and metrics.
        streams: how many runs at a time pay off; more are allowed and wait for one another.
    """

    name: str
    streams: int

    def run(self, batch: NDArray[Any], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Run the graph on a batch; may be called from several threads at once.

        Args:
            batch: [N, ...] of the type and shape the artefact's manifest gives for its input.
            outputs: the names wanted; the others are neither computed beyond need nor copied.

        Returns:
            Each wanted output as an array [N, ...] that belongs to the caller.

        Raises:
            ArtefactError: `graph_output_missing`, the graph has no output of that name.
        """
        ...
