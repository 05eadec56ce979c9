"""Texts a second of scikit-learn's HashingVectorizer and a linear model, in this process: `FILE ANALYZER`.

FILE holds a JSON object with a text a line. Reading it, and fitting the model, are not timed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ANALYZERS = {
    "words": {},  # as it comes: words, each hashed into one of 2^20 columns
    "chars": {"analyzer": "char_wb", "ngram_range": (2, 5)},  # as its documentation recommends for misspelt texts
}
FITTED_ON = 2_000


def texts_a_second(texts: Sequence[str], analyzer: str) -> float:
    """Vectorising the texts, and a probability and a label for each."""
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import SGDClassifier

    vectorizer = HashingVectorizer(**ANALYZERS[analyzer])
    some = texts[:FITTED_ON]
    model = SGDClassifier(loss="log_loss", random_state=0)
    model.fit(vectorizer.transform(some), ["spam" if len(text) % 2 else "ham" for text in some])
    started = time.perf_counter()
    probabilities = model.predict_proba(vectorizer.transform(texts))
    labels = model.classes_[probabilities.argmax(axis=1)].tolist()
    took = time.perf_counter() - started
    assert len(labels) == len(texts)
    return len(texts) / took


if __name__ == "__main__":
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    print(texts_a_second([json.loads(line)["text"] for line in lines], sys.argv[2]))
