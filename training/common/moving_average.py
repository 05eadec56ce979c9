"""The moving average of a network's weights, which generalises better than the weights of any one step.

Polyak and Juditsky, 1992; Keras keeps it in the optimiser (`use_ema`), so it is saved and resumed with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import keras
from keras import ops


def take_average(network: keras.Model) -> None:
    """Set the weights to their average."""
    network.optimizer.finalize_variable_values(network.trainable_variables)


@contextmanager
def averaged(network: keras.Model) -> Iterator[None]:
    """The average during the block, and what was there before after it."""
    variables = network.trainable_variables
    before = [ops.convert_to_numpy(variable) for variable in variables]
    take_average(network)
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)


def take_better(network: keras.Model, scores: Callable[[], dict[str, float]]) -> None:
    """Set the weights to their average, unless `scores` on the validation split are better without.

    In a short run the average is still near the weights that it began with.
    """
    plain = sum(scores().values())
    with averaged(network):
        average = sum(scores().values())
    print(f"validation: sum of the scores {average:.4f} with averaged weights, {plain:.4f} with the last ones")
    if average >= plain:
        take_average(network)
