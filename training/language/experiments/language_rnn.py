"""English, French or Spanish: a recurrent network over the characters of each word.

    python -m training.run language_rnn --data DATA --out models/language-rnn

Five minutes of one core. Expected of unseen words: .936 with accents, .910 without.
"""

from core.texts.prepare import TextSpec, WordChars
from training.common.experiment import Experiment, Schedule
from training.language.language_plan import ALPHABET, Grams, LanguagePlan, LastEpochs, Recurrent

EXPERIMENT = Experiment(
    name="language-rnn",
    version="1.1.0",
    summary="English, French or Spanish, by a recurrent network over the characters of each word.",
    seed=1,
    features=TextSpec(needs="latin letters", features=WordChars(alphabet=ALPHABET, width=16)),
    schedule=Schedule(epochs=5, batch_size=1024, learning_rate=4e-3),
    plan=LanguagePlan(
        net=Recurrent(
            dim=24,
            grams=Grams(orders=(3, 4, 5, 6), buckets=1 << 16, dim=16, drop=0.3),
            units=64,
            state_drop=0.1,
            hidden=64,
            drop=0.3,
        ),
        without_accents=0.4,
        shared=0.2,
        weight_decay=0.0,
        sentences=3_000,
        sentence_words=8,
        more_words=200_000,
        last_epochs=LastEpochs(epochs=1, learning_rate=1e-3, shared=0.5, common=10),
    ),
)
