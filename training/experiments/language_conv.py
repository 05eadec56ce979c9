"""English, French or Spanish: a convolutional network over characters.

    python -m training.run language_conv --data DATA --out models/language-conv

@@DUR@@
"""

from core.text import Chars, TextSpec
from training.experiment import Convolutional, Experiment, LanguagePlan, Schedule, Settling
from training.text.alphabet import ALPHABET

EXPERIMENT = Experiment(
    name="language-conv",
    version="1.0.0",
    summary="English, French or Spanish, by a convolutional network over characters.",
    seed=1,
    features=TextSpec(needs="latin letters", features=Chars(alphabet=ALPHABET)),
    schedule=Schedule(epochs=4, batch_size=1024, learning_rate=4e-3),
    plan=LanguagePlan(
        net=Convolutional(dim=32, filters={2: 48, 3: 96, 4: 160, 5: 160, 6: 96}, hidden=128, drop=0.3),
        without_accents=0.4,
        shared=0.2,
        weight_decay=0.0,
        sentences=6_000,
        sentence_words=8,
        more=150_000,
        settling=Settling(epochs=1, learning_rate=1e-3, shared=0.5, common=10),
    ),
)
