"""Learning rates that fall in straight lines."""

from __future__ import annotations

from typing import Any

import keras


def linear_decay(learning_rate: float, steps: int) -> Any:
    """From `learning_rate` to 0 in a straight line over so many steps."""
    return keras.optimizers.schedules.PolynomialDecay(learning_rate, max(steps, 1), end_learning_rate=0.0)


class TwoLinearDecays(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """From one learning rate to 0 in a straight line, then from another one to 0."""

    def __init__(self, first: float, steps: int, second: float, more_steps: int) -> None:
        """`first` falls over `steps` steps, `second` over the `more_steps` after them."""
        self._first, self._steps, self._second, self._more_steps = first, max(steps, 1), second, max(more_steps, 1)

    def __call__(self, step: Any) -> Any:
        at = keras.ops.cast(step, "float32")
        before = self._first * (1 - at / self._steps)
        after = self._second * (1 - (at - self._steps) / self._more_steps)
        return keras.ops.where(at < self._steps, before, keras.ops.maximum(after, 0.0))

    def get_config(self) -> dict[str, Any]:
        return {
            "first": self._first, "steps": self._steps, "second": self._second, "more_steps": self._more_steps,
        }  # fmt: skip
