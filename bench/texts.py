"""Texts a second from their submission to the last result in the database, against scikit-learn in a bare process.

    python -m bench.texts --texts 100000 --tasks spam language sentiment

In turn, round by round: HashingVectorizer and a linear model over the same texts in one process, and a `tagline up` of
its own on SQLite for each task, to which they are sent as NDJSON. scikit-learn comes with bench/peers/requirements.txt;
without it only our own figures are taken. Medians, also of the rounds' ratios, go to bench/results/texts.json.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from random import Random

from bench.machine import write_result
from bench.stack import full_stack

ROOT = Path(__file__).resolve().parent.parent
TASKS = ("spam", "language", "sentiment")
ANALYZERS = ("words", "chars")
LENGTHS = (4, 30)  # words of a text: some 90 characters
CHARS_TEXTS = 10_000  # n-grams of characters take scikit-learn six times as long
WARM_UP = 2_000


def make_texts(count: int) -> list[str]:
    """Messages of the words of our own pages, each as often as it is there."""
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
    words = Counter(word for page in pages for word in re.findall(r"[\w'£$/.,!?-]+", page.read_text(encoding="utf-8")))
    random = Random(0)
    names, weights = list(words), list(words.values())
    lengths = [random.randint(*LENGTHS) for _ in range(count)]
    drawn = iter(random.choices(names, weights, k=sum(lengths)))
    return [" ".join(next(drawn) for _ in range(length)) for length in lengths]


def ndjson(texts: Sequence[str]) -> bytes:
    return "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()


def peer(file: Path, analyzer: str) -> float:
    """Texts a second of scikit-learn, in a process of its own."""
    command = [sys.executable, "-m", "bench.peers.sklearn_texts", str(file), analyzer]
    return float(subprocess.run(command, check=True, capture_output=True).stdout)


def ours(task: str, texts: Sequence[str], body: bytes) -> tuple[float, float]:
    """Texts a second through a `tagline up` of its own; and by its submission alone."""
    with tempfile.TemporaryDirectory(prefix="tagline-bench-") as data, full_stack(Path(data)) as stack:
        first = texts[:WARM_UP]
        stack.run_body(task, ndjson(first), "application/x-ndjson", len(first))
        submitted, took = stack.run_body(task, body, "application/x-ndjson", len(texts))
    return len(texts) / took, len(texts) / submitted


def measure(texts: Sequence[str], tasks: Sequence[str], rounds: int) -> dict[str, list[float]]:
    """By what it is, texts a second in each round; of ratios, ours to the peer's of the same round."""
    found: dict[str, list[float]] = defaultdict(list)
    body = ndjson(texts)
    with tempfile.TemporaryDirectory(prefix="tagline-bench-") as place:
        files = {name: Path(place) / name for name in ANALYZERS}
        files["words"].write_bytes(body)
        files["chars"].write_bytes(ndjson(texts[:CHARS_TEXTS]))
        for number in range(rounds):
            if find_spec("sklearn") is not None:
                for analyzer in ANALYZERS:
                    found[f"scikit-learn, {analyzer}"].append(peer(files[analyzer], analyzer))
            for task in tasks:
                full, submitted = ours(task, texts, body)
                found[task].append(full)
                found[f"{task}, submitting"].append(submitted)
                for analyzer in ANALYZERS:
                    for other in found.get(f"scikit-learn, {analyzer}", [])[-1:]:
                        found[f"{task} / {analyzer}"].append(full / other)
            print(f"round {number + 1}:", {name: round(values[-1], 2) for name, values in found.items()}, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    given = parser.parse_args()
    found = measure(make_texts(given.texts), given.tasks, given.rounds)
    medians = {name: round(statistics.median(values), 3) for name, values in found.items()}
    rounds = {name: [round(value, 3) for value in values] for name, values in found.items()}
    write_result("texts", {"texts": given.texts, "medians": medians, "rounds": rounds})
    print(json.dumps(medians, indent=1))


if __name__ == "__main__":
    main()
