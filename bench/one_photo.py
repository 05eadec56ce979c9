"""One interactive photo on an idle stack: from its submission with `Prefer: wait` to the answer, and where that goes.

    python -m bench.one_photo --count 100

Beside it, in turn: the same fetch, decoding and model in one bare process, one photo after another. The stages are
those of the job's own times: until its row is there, until a worker has claimed it, until its result is stored, and
until the client knows.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.photos import make_photos
from bench.record import machine, record
from bench.throughput import KEY, _free_port, _process, _wait_ready
from core.artefacts.catalogue import Catalogue
from core.images.decode import ImageSpec, decode_image
from core.settings import load_settings
from core.tasks import ClassifyOptions
from worker.models.load import load_model
from worker.models.model import OutputReader

STAGES = ("created", "claimed", "stored", "told")


class Bare:
    """The model in this process."""

    def __init__(self) -> None:
        settings = load_settings()
        model = load_model(Catalogue(settings.models_dir).resolve("classify").folder, settings)
        assert isinstance(model, OutputReader)
        assert isinstance(model.manifest.preprocessing, ImageSpec)
        self._model, self._spec, self._most = model, model.manifest.preprocessing, settings.image_max_pixels

    def classify(self, url: str) -> float:
        """The seconds for one photo."""
        began = time.perf_counter()
        with urllib.request.urlopen(url, timeout=30) as answer:
            data = answer.read()
        pixels = decode_image(data, self._spec, self._most).pixels
        [row] = self._model.encoder.encode([pixels], (self._model.output,))
        self._model.render(row[self._model.output], ClassifyOptions(top_k=5, threshold=0.0))
        return time.perf_counter() - began


def submit(base: str, url: str) -> dict[str, float]:
    """Submit one photo and wait; milliseconds in all and by stage."""
    body = json.dumps({"tasks": ["classify"], "inputs": [url]}).encode()
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", "Prefer": "wait=30"}
    began, clock = time.time() * 1000, time.perf_counter()
    with urllib.request.urlopen(urllib.request.Request(f"{base}/v1/jobs", body, headers), timeout=60) as answer:
        job = json.load(answer)
    took = (time.perf_counter() - clock) * 1000
    if job["counts"]["succeeded"] != 1:
        raise RuntimeError(job)
    marks = [began, *(_ms(job[name]) for name in ("created_at", "started_at", "finished_at")), began + took]
    return {"total": took, **{stage: marks[at + 1] - marks[at] for at, stage in enumerate(STAGES)}}


def _ms(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp() * 1000


def _summary(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {"p50": round(statistics.median(ordered), 1), "p99": round(ordered[int(len(ordered) * 0.99)], 1)}


def measure(base: str, urls: list[str], bare: Bare) -> dict[str, Any]:
    for url in urls[:5]:
        submit(base, url)
        bare.classify(url)
    ours: list[dict[str, float]] = []
    alone: list[float] = []
    for url in urls:
        ours.append(submit(base, url))
        alone.append(bare.classify(url) * 1000)
        time.sleep(0.05)
    found = {name: _summary([one[name] for one in ours]) for name in ("total", *STAGES)}
    return {**found, "bare": _summary(alone)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100)
    count = parser.parse_args().count
    described = machine()
    with tempfile.TemporaryDirectory(prefix="tagline-bench-") as folder:
        photos, port, files = Path(folder) / "photos", _free_port(), _free_port()
        make_photos(photos, count)
        urls = [f"http://127.0.0.1:{files}/{path.name}" for path in sorted(photos.glob("*.jpg"))]
        base = f"http://127.0.0.1:{port}"
        server = [sys.executable, "-m", "bench.file_server", str(photos), str(files)]
        stack = [sys.executable, "-m", "cli.main", "up", "--port", str(port), "--data", f"{folder}/data"]
        bare = Bare()
        allow = {"TAGLINE_API_KEY": KEY, "TAGLINE_ALLOW_HOSTS": f"127.0.0.1:{files}"}
        with _process(server), _process(stack, **allow):
            _wait_ready(base)
            figures = measure(base, urls, bare)
    for name, summary in figures.items():
        print(f"{name:8} p50 {summary['p50']:7.1f} ms   p99 {summary['p99']:7.1f} ms")
    record("one_photo", described, {"count": count, "unit": "ms", **figures})


if __name__ == "__main__":
    main()
