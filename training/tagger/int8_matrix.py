"""Matrices in eight bits an element, for export."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from keras import ops
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Int8Matrix:
    """A matrix in eight bits an element, with a scale for each column.

    Attributes:
        table: int8 [rows, columns].
        scale: float32 [columns].
    """

    table: NDArray[np.int8]
    scale: NDArray[np.float32]

    @classmethod
    def of(cls, matrix: NDArray[np.float32]) -> Self:
        """The nearest to a matrix [rows, columns]."""
        scale = np.maximum(np.abs(matrix).max(axis=0), 1e-12) / 127
        return cls(np.rint(matrix / scale).astype(np.int8), scale.astype(np.float32))

    def multiply(self, left: Any) -> Any:
        """The product of [N, rows] with the matrix, [N, columns]."""
        return ops.matmul(left, ops.cast(self.table, "float32")) * self.scale
