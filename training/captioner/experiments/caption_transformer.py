"""Captions: a transformer decoder on the grid of the shared encoder.

    python -m training.run caption_transformer --data DATA --out models/caption-transformer

It goes on from the run of `photo_encoder`, whose work folder has to lie beside its own. Some 25 minutes on two cores.
Expected on the Flickr8k test split: BLEU-1 .668, BLEU-4 .244, CIDEr .617.
"""

from training.captioner.caption_plan import CaptionPlan
from training.common.experiment import Experiment, Schedule

EXPERIMENT = Experiment(
    name="caption-transformer",
    version="1.0.0",
    summary="A sentence for a photo.",
    seed=1,
    schedule=Schedule(epochs=5, batch_size=32, learning_rate=4e-5),
    plan=CaptionPlan(encoder="photo_encoder", views=1, photos=3000, samples=5, temperature=0.6, drop=0.1, average=0.98),
)
