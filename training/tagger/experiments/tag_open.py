"""Tags out of any vocabulary.

python -m training.run tag_open --data DATA --out models/tag-open

Needs models/efficientnet-lite2 and models/minilm-l6, and tag-unseen in its work folder (`tag_unseen`).
"""

from training.common.experiment import Experiment, Schedule
from training.tagger.tag_plan import TagPlan

EXPERIMENT = Experiment(
    name="tag-open",
    version="2.0.0",
    summary="Labels of any vocabulary, your own included, ranked for a photo by how likely people are to name them.",
    seed=1,
    schedule=Schedule(epochs=1, batch_size=128, learning_rate=3e-5),
    plan=TagPlan(
        encoder="efficientnet-lite2",
        text="minilm-l6",
        template="{}",
        views=1,
        words=10,
        phrases=20,
        labels=1,
        second="tag-unseen",
        components=384,
        whiten=0.5,
        gain=1.5,
        size=160,
        class_size=96,
        penalty=3000.0,
        drop=0.1,
        bandwidth=0.2,
        noise=3.0,
        weight_decay=0.1,
    ),
)
