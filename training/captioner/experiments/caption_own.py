"""The shipped captioner, taught photos and captions of your own; see docs/train-your-own.md.

    python -m training.run caption_own --data MINE --out models/caption-own

It keeps what it knows, words and label heads too, and learns new words that are said twice. Two minutes for 200 photos.
"""

from training.captioner.caption_plan import CaptionPlan, Mix
from training.captioner.experiments.caption_words import EXPERIMENT as WORDS
from training.common.experiment import Experiment, Schedule

EXPERIMENT = Experiment(
    name="caption-own",
    version="1.0.0",
    summary="A sentence for a photo, learnt from photos of your own.",
    seed=1,
    schedule=Schedule(epochs=4, batch_size=32, learning_rate=1e-4),
    plan=CaptionPlan(
        encoder="efficientnet-lite2",
        start="caption-transformer",
        keep=True,
        net=WORDS.plan.net,
        views=2,
        components=0,
        least_count=6,
        most_known=4000,
        most_words=17,
        mix=Mix(flickr=16, others=16, found=0, texts=0),
        steps=25,
        captions=1,
        warm_up=10,
        weight_decay=0.01,
        smoothing=0.1,
        drop_seen=0.0,
        drop_labels=0.1,
        average=0.95,
    ),
)
