"""EfficientNet-Lite as a Keras network, ready for inference: batch normalisation is folded into the convolutions.

The family is EfficientNet (Tan and Le, 2019, https://arxiv.org/abs/1905.11946) without squeeze-and-excite and with
ReLU6 in place of swish, so that it runs well everywhere. Only keras.layers are used: any backend can run it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

STEM_FILTERS = 32
HEAD_FILTERS = 1280


@dataclass(frozen=True, slots=True)
class Stage:
    """A run of inverted residual blocks; only the first of them has the stride."""

    repeats: int
    kernel: int
    stride: int
    expand: int
    filters: int


@dataclass(frozen=True, slots=True)
class Variant:
    """One member of the family: `size` is the side of its square input in pixels."""

    name: str
    size: int
    stages: tuple[Stage, ...]


LITE0 = Variant(
    "lite0",
    224,
    (
        Stage(1, 3, 1, 1, 16),
        Stage(2, 3, 2, 6, 24),
        Stage(2, 5, 2, 6, 40),
        Stage(3, 3, 2, 6, 80),
        Stage(3, 5, 1, 6, 112),
        Stage(4, 5, 2, 6, 192),
        Stage(1, 3, 1, 6, 320),
    ),
)
LITE2 = Variant(
    "lite2",
    260,
    (
        Stage(1, 3, 1, 1, 16),
        Stage(3, 3, 2, 6, 24),
        Stage(3, 5, 2, 6, 48),
        Stage(4, 3, 2, 6, 88),
        Stage(4, 5, 1, 6, 120),
        Stage(5, 5, 2, 6, 208),
        Stage(1, 3, 1, 6, 352),
    ),
)
VARIANTS = {variant.name: variant for variant in (LITE0, LITE2)}


def build(variant: Variant, classes: int = 1000) -> keras.Model:
    """The network, with untrained weights.

    Args:
        variant: which member of the family.
        classes: how many classes the head tells apart.

    Returns:
        A model from pixels, float32 [N, size, size, 3], RGB, 0 to 255, to a dict of
        `logits` float32 [N, classes] and `features` float32 [N, size/32, size/32, 1280] (rounded up),
        the grid after the head convolution. Its layers are named as `block_names` lists them.
    """
    pixels = keras.Input((variant.size, variant.size, 3), name="pixels")
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="rescale")(pixels)
    x = _conv(x, "stem", STEM_FILTERS, kernel=3, stride=2)
    for stage_at, stage in enumerate(variant.stages):
        for repeat in range(stage.repeats):
            x = _block(x, f"stage{stage_at}_{repeat}", stage, stage.stride if repeat == 0 else 1)
    features = _conv(x, "head", HEAD_FILTERS, kernel=1)
    pooled = layers.GlobalAveragePooling2D(name="pool")(features)
    logits = layers.Dense(classes, name="classifier")(pooled)
    return keras.Model(pixels, {"logits": logits, "features": features}, name=f"efficientnet_{variant.name}")


def block_names(variant: Variant) -> list[tuple[str, bool]]:
    """Every block's name in order, and whether it starts with an expansion."""
    return [
        (f"stage{stage_at}_{repeat}", stage.expand != 1)
        for stage_at, stage in enumerate(variant.stages)
        for repeat in range(stage.repeats)
    ]


def _conv(x: Any, name: str, filters: int, kernel: int, stride: int = 1, relu: bool = True) -> Any:
    x = layers.Conv2D(filters, kernel, strides=stride, padding="same", name=name)(x)
    return layers.ReLU(max_value=6.0, name=f"{name}_relu")(x) if relu else x


def _block(x: Any, name: str, stage: Stage, stride: int) -> Any:
    """One inverted residual block: widen, filter each channel in space, narrow; add the input where it fits."""
    entry = x
    if stage.expand != 1:
        x = _conv(x, f"{name}_expand", entry.shape[-1] * stage.expand, kernel=1)
    x = layers.DepthwiseConv2D(stage.kernel, strides=stride, padding="same", name=f"{name}_depthwise")(x)
    x = layers.ReLU(max_value=6.0, name=f"{name}_depthwise_relu")(x)
    x = _conv(x, f"{name}_project", stage.filters, kernel=1, relu=False)
    if stride == 1 and entry.shape[-1] == stage.filters:
        x = layers.Add(name=f"{name}_add")([entry, x])
    return x
