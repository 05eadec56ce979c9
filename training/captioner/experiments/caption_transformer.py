"""The captioner, second part: whole sentences, for CIDEr-D.

    python -m training.run caption_transformer --data DATA --out models/caption-transformer

It goes on from the run of `caption_words`, whose work folder lies beside its own.
"""

from training.captioner.sequence_plan import SequencePlan
from training.common.experiment import Experiment, Schedule

EXPERIMENT = Experiment(
    name="caption-transformer",
    version="2.0.2",
    summary="A sentence for a photo.",
    seed=1,
    schedule=Schedule(epochs=4, batch_size=48, learning_rate=5e-5),
    plan=SequencePlan(
        words="caption_words",
        encoder="efficientnet-lite2",
        flickr=26,
        others=22,
        steps=75,
        samples=5,
        temperature=0.7,
        drop=0.1,
        least_references=2,
        average=0.98,
    ),
)
