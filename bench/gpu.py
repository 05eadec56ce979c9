"""A card: encoder, decoder and pipeline as the service runs them, against its floor, a bare process and the best batch.

    make bench-gpu

writes bench/results/gpu-CARD.json. Without a card it says so and changes nothing. It takes what `tagline doctor` shows:
install `onnxruntime-gpu` and export the models (docs/operations.md), or TensorFlow with CUDA, before. `--rehearse
FOLDER` runs everything on what there is, and writes to that folder: to see that it runs, not how fast.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.gpu_models import Measured, Speeds, decoder, encoder
from bench.machine import RESULTS, machine, write_result
from bench.measure import WARM_UP, Bench
from bench.photos import make_photos
from core.cards import cards
from core.settings import Settings, load_settings

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
FEW = 32  # photos that batches are made of
PACKAGES = ("onnxruntime-gpu", "tensorflow", "nvidia-cudnn-cu12", "nvidia-cudnn-cu13")
NO_CARD = "No card is seen here: nothing was measured, and nothing has changed."


def measure(settings: Settings, folder: Path, seconds: float, batches: Sequence[int], rounds: int) -> dict[str, Any]:
    """Encoder and decoder: items a second as a worker calls them, against the best of any batch, bare.

    Args:
        settings: of the service.
        folder: to work in.
        seconds: that each batch size is run for, in each round.
        batches: sizes to try.
        rounds: how often; medians count.
    """
    make_photos(folder / "few", FEW)
    photos = sorted((folder / "few").glob("*.jpg"))
    return {
        name: _against_floor(make(settings, photos), settings.batch_size, seconds, batches, rounds)
        for name, make in (("encoder", encoder), ("decoder", decoder))
    }


def pipeline(bench: Bench, batch: int) -> dict[str, Any]:
    """`classify` by the full stack, against the bare process in the batch that suits the card best."""
    floor, ours = [], []
    with bench.photos("small", bench.count) as (photos, place, urls):
        for _ in range(bench.rounds):
            floor.append(bench.floor(photos, TAGLINE_BATCH_SIZE=str(batch)))
            with bench.stack(place) as stack:
                stack.run(urls[:WARM_UP])
                ours.append(len(urls) / stack.run(urls))
    best, speed = statistics.median(floor), statistics.median(ours)
    return {"a_second": speed, "floor": best, "floor_batch": batch, "ratio": speed / best, "rounds": [ours, floor]}


def result_name(card: str) -> str:
    """What the results of a card are called: "NVIDIA H100 80GB HBM3" is gpu-nvidia-h100-80gb-hbm3."""
    return "gpu-" + re.sub(r"[^a-z0-9]+", "-", card.lower()).strip("-")


def _against_floor(
    measured: Measured, batch: int, seconds: float, batches: Sequence[int], rounds: int
) -> dict[str, Any]:
    ours: list[float] = []
    bare: list[Speeds] = []
    for _ in range(rounds):
        ours.append(measured.ours(batch, seconds))
        bare.append(measured.bare(batches, seconds))
    common = [size for size in batches if all(size in found for found in bare)]
    by_batch = {size: statistics.median(found[size] for found in bare) for size in common}
    best, speed = max(by_batch, key=lambda size: by_batch[size]), statistics.median(ours)
    found = {"a_second": speed, "batch": batch, "floor": by_batch[best], "floor_batch": best, "by_batch": by_batch}
    print(f"{measured.ran}: {speed:.1f} a second, floor {by_batch[best]:.1f} in batches of {best}", flush=True)
    return {**measured.ran, **found, "ratio": speed / by_batch[best]}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000, help="photos that the pipeline classifies")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each size of a batch")
    parser.add_argument("--most", type=int, default=BATCHES[-1], help="the largest batch")
    parser.add_argument("--rehearse", type=Path, metavar="FOLDER", help="run on what there is, and write to FOLDER")
    given = parser.parse_args(arguments)
    names = cards()
    if not names and not given.rehearse:
        print(NO_CARD)
        return 0
    settings, described = load_settings(), machine(*PACKAGES)
    with tempfile.TemporaryDirectory(prefix="tagline-bench-gpu-") as folder:
        Path(folder).chmod(0o755)
        batches = [batch for batch in BATCHES if batch <= given.most]
        figures = measure(settings, Path(folder), given.seconds, batches, given.rounds)
        if figures["encoder"]["device"] == "cpu" and not given.rehearse:
            print(f"{names[0]} is there, but the encoder does not run on it: `tagline doctor` says what is missing.")
            return 1
        bench = Bench(Path(folder), given.count, given.rounds)
        figures["pipeline"] = pipeline(bench, figures["encoder"]["floor_batch"])
    name, where = ("rehearsal", given.rehearse) if given.rehearse else (result_name(names[0]), RESULTS)
    settled = {"count": given.count, "rounds": given.rounds, "seconds": given.seconds}
    print(write_result(name, {"cards": names, **figures}, described, folder=where, **settled))
    return 0


if __name__ == "__main__":
    sys.exit(main())
