"""Tags out of any vocabulary.

python -m training.run tag_open --data DATA --out models/tag-open

Needs models/efficientnet-lite2 and models/minilm-l6. On two cores, the first time: features of the photos three
minutes, vectors of 25,000 labels two, training half a minute, the test split one. On the validation photos mean
average precision .361, precision at 5 .406; of words kept from training .15 (chance .017). More epochs make the first
two worse.
"""

from training.common.experiment import Experiment, Schedule
from training.tagger.tag_plan import TagPlan

EXPERIMENT = Experiment(
    name="tag-open",
    version="1.0.0",
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
        components=384,
        whiten=0.5,
        gain=1.5,
        size=144,
        class_size=96,
        penalty=3000.0,
        drop=0.1,
        bandwidth=0.2,
        noise=3.0,
        weight_decay=0.1,
    ),
)
