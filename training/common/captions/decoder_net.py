"""The sizes of a caption decoder; apart from the decoder, since plans must load without Keras."""

from __future__ import annotations

from training.common.experiment import Settings


class DecoderNet(Settings):
    """Sizes and dropout rates of `training.common.captions.decoder.Decoder`.

    Attributes:
        layers, dim, heads, hidden: of the transformer.
        drop: dropout of the blocks.
        drop_grid: dropout of the grid's features.
        drop_attention: dropout of the attention's weights.
    """

    layers: int
    dim: int
    heads: int
    hidden: int
    drop: float
    drop_grid: float
    drop_attention: float
