"""The captioner, first part: it learns the next word, on Flickr8k and everyday photos and on captions without photos.

    python -m training.run caption_words --data DATA --out runs/caption_words/caption-words

It goes on from the decoder of models/caption-transformer.
"""

from training.captioner.caption_plan import CaptionPlan, Mix
from training.common.captions.decoder_net import DecoderNet
from training.common.experiment import Experiment, Schedule

EXPERIMENT = Experiment(
    name="caption-words",
    version="2.0.0",
    summary="A sentence for a photo.",
    seed=1,
    schedule=Schedule(epochs=8, batch_size=88, learning_rate=5e-4),
    plan=CaptionPlan(
        encoder="efficientnet-lite2",
        start="caption-transformer",
        net=DecoderNet(layers=2, dim=320, heads=8, hidden=1280, drop=0.2, drop_grid=0.1, drop_attention=0.1),
        views=2,
        components=384,
        least_count=8,
        most_known=4600,
        most_words=17,
        mix=Mix(flickr=26, others=20, found=20, texts=22),
        steps=200,
        captions=2,
        warm_up=100,
        weight_decay=0.01,
        smoothing=0.1,
        drop_seen=0.15,
        drop_labels=0.1,
        average=0.995,
    ),
)
