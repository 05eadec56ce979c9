"""Which setup of a model is the fastest: what is tried, in which order, and what counts as faster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from core.artefacts.variants import F32
from core.calibration.setups import Setup

PROBE = 4  # items in the batches by which variants are compared: their order is the same at any size
LEAST = 4  # a smaller batch is not the most of anything
# A coarser variant has to earn what it may lose; other batches and streams need only be more than noise.
VARIANT_GAIN, SETUP_GAIN = 1.10, 1.08

Rate = Callable[[Setup], float]


class OutOfTime(Exception):
    """There is no time left to measure in."""


def search(
    start: Setup, variants: Sequence[str], most_streams: int, rate: Rate, rates: dict[str, float] | None = None
) -> tuple[Setup, dict[str, float]]:
    """The fastest setup of a model, and the rate of each variant.

    The variant is chosen first, for it makes the largest difference, then the batch, then the streams; each stays as it
    is unless another is clearly faster. Of variants "f32" is there first, then that of `start`, then the others: two
    that are equally fast must not take turns from one measurement to the next. When time runs out behind the variants,
    what was found till then is the answer.

    Args:
        start: batches of the most items allowed, and the runtime's own streams.
        variants: the names to choose from, "f32" first if it is among them.
        most_streams: there are no more.
        rate: items a second of a setup; 0 of one that does not run.
        rates: of variants that are known already. Those that are measured come to it, also where time runs out.

    Raises:
        OutOfTime: `rate` ran out of time before each variant had been measured, or none of them runs.
    """
    probe = replace(start, batch_size=min(PROBE, start.batch_size))
    rates = {} if rates is None else rates
    for name in variants:
        if name not in rates:
            rates[name] = rate(replace(probe, variant=name))
    rates = {name: rates[name] for name in variants}
    best = _fastest_variant(rates, start.variant)
    if not rates[best]:
        raise OutOfTime
    found = replace(start, variant=best)
    try:
        found = _faster(found, [replace(found, batch_size=size) for size in _smaller(start.batch_size)], rate)
        others = [streams for streams in (start.streams // 2, start.streams * 2) if 1 <= streams <= most_streams]
        found = _faster(found, [replace(found, streams=streams) for streams in others], rate)
    except OutOfTime:
        pass
    return found, {name: round(each, 1) for name, each in rates.items()}


def _fastest_variant(rates: dict[str, float], default: str) -> str:
    best, *others = sorted(rates, key=lambda name: (name != F32, name != default))
    for name in others:
        if rates[name] > VARIANT_GAIN * rates[best]:
            best = name
    return best


def _smaller(batch_size: int) -> list[int]:
    """Half of the batch, and a quarter."""
    return [size for size in (batch_size // 2, batch_size // 4) if size >= LEAST]


def _faster(now: Setup, others: Sequence[Setup], rate: Rate) -> Setup:
    """The fastest of some setups, if it is faster than the one that there is."""
    if not others:
        return now
    before = rate(now)
    rates = [rate(other) for other in others]
    best = max(range(len(others)), key=lambda at: rates[at])
    return others[best] if rates[best] > SETUP_GAIN * before else now
