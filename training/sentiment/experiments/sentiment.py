"""Positive or negative, from film reviews.

    python -m training.run sentiment --data DATA --out models/sentiment-ngram-conv

The members do not see one another while they learn. About a quarter of an hour on two cores, nearly all of it for the
convolutional networks; the n-grams alone take a minute. Expected on the IMDB test split: .920.
"""

from core.texts.prepare import TextSpec, TokenGrams
from training.common.experiment import Experiment, Schedule
from training.sentiment.sentiment_plan import ConvMember, LinearGrams, SentimentPlan

EXPERIMENT = Experiment(
    name="sentiment-ngram-conv",
    version="1.2.0",
    summary="Positive or negative, with a calibrated score; learnt from English film reviews.",
    seed=1,
    features=TextSpec(features=TokenGrams(words=1 << 15, buckets=1 << 30, orders=4)),
    schedule=Schedule(epochs=3, batch_size=64, learning_rate=1e-3),
    plan=SentimentPlan(
        members=(
            ConvMember(dim=48, filters={2: 96, 3: 96, 4: 96}, word_drop=0.2, drop=0.5),
            ConvMember(dim=32, filters={3: 160}, word_drop=0.3, drop=0.5),
        ),
        grams=LinearGrams(slots=1 << 21, least_count=3, ridge=1 / 32, passes=50),
        validation=0.08,
    ),
)
