"""The floor to compare with: the same decoding and the same model in one bare process, with no service around them.

Prints images per second. Decoding runs on one thread a core beside as many inference streams as the model wants,
in batches of 16: the fastest arrangement known on two cores (docs/decisions).
"""

from __future__ import annotations

import argparse
import os
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from core.artefacts.catalogue import Catalogue
from core.images.decode import ImageSpec, decode_image
from core.settings import Settings, load_settings
from core.tasks import ClassifyOptions
from worker.models.load import load_model
from worker.models.model import OutputReader

OPTIONS = ClassifyOptions(top_k=5, threshold=0.0)


def run(paths: Sequence[Path], model: OutputReader, settings: Settings) -> float:
    """Classify the photos; returns the seconds it took."""
    spec = model.manifest.preprocessing
    assert isinstance(spec, ImageSpec)
    decoded: queue.Queue[Any] = queue.Queue(maxsize=256)

    def decode(path: Path) -> None:
        decoded.put(decode_image(path.read_bytes(), spec, settings.image_max_pixels).pixels)

    def infer() -> None:
        while True:
            batch: list[Any] = []
            while len(batch) < settings.batch_size:
                item = decoded.get()
                if item is None:
                    break
                batch.append(item)
            if batch:
                for row in model.encoder.encode(batch, (model.output,)):
                    model.render(row[model.output], OPTIONS)
            if len(batch) < settings.batch_size:
                return

    started = time.monotonic()
    streams = [threading.Thread(target=infer) for _ in range(model.streams)]
    for stream in streams:
        stream.start()
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(decode, paths))
    for _ in streams:
        decoded.put(None)
    for stream in streams:
        stream.join()
    return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--times", type=int, default=1, help="how often each photo is run")
    given = parser.parse_args()
    settings = load_settings()
    model = load_model(Catalogue(settings.models_dir).resolve("classify").folder, settings)
    assert isinstance(model, OutputReader)
    paths = sorted(given.folder.glob("*.jpg")) * given.times
    run(paths[:64], model, settings)
    seconds = run(paths, model, settings)
    print(f"{len(paths) / seconds:.1f}")


if __name__ == "__main__":
    main()
