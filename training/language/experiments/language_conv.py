"""English, French or Spanish: a convolutional network over characters.

    python -m training.run language_conv --data DATA --out models/language-conv

About eight minutes on two cores. Expected of unseen words: .917 with accents, .888 without; sentences of a game .995.
"""

from core.texts.prepare import Chars, TextSpec
from training.common.experiment import Experiment, Schedule
from training.language.language_plan import ALPHABET, Convolutional, LanguagePlan

EXPERIMENT = Experiment(
    name="language-conv",
    version="1.0.0",
    summary="English, French or Spanish, by a convolutional network over characters.",
    seed=1,
    features=TextSpec(needs="latin letters", features=Chars(alphabet=ALPHABET)),
    schedule=Schedule(epochs=16, batch_size=256, learning_rate=2e-3),
    plan=LanguagePlan(
        net=Convolutional(dim=32, filters={2: 64, 3: 128, 4: 192, 5: 192, 6: 128}, hidden=128, drop=0.3),
        without_accents=0.4,
        shared=0.2,
        weight_decay=0.0,
        sentences=15_000,
    ),
)
