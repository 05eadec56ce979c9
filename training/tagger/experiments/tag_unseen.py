"""A second tagger, from which forty labels were held out: its numbers are on the card of `tag_open`; not shipped.

python -m training.run tag_unseen --data DATA --out runs/tag_open/tag-unseen
"""

from training.tagger.experiments.tag_open import EXPERIMENT as OPEN

EXPERIMENT = OPEN.model_copy(
    update={
        "name": "tag-unseen",
        "plan": OPEN.plan.model_copy(update={"held_out": True, "second": None}),
    }
)
