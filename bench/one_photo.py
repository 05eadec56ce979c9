"""One interactive photo: from its submission with `Prefer: wait` to the answer, and where that goes.

    python -m bench.one_photo --count 100 --beside 50000

On an idle stack, and beside it in turn: LitServe's synchronous answer, where that is installed (bench/README.md), and
the same fetch, decoding and model in one bare process, one photo after another. Then on a stack that a bulk job of
`--beside` photos keeps busy. The stages are those of the job's own times: until its row is there, until a worker has
claimed it, until its result is stored, and until the client knows.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.machine import machine, write_result
from bench.peer_servers import PEERS, PEERS_ENVIRONMENT, ask, installed, peer_server, wait_ready
from bench.photos import make_photos
from bench.stack import KEY, Stack, full_stack, photo_urls
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


def measure(base: str, urls: list[str], others: dict[str, Callable[[str], float]]) -> dict[str, Any]:
    """Milliseconds of ours, in all and by stage, and of others that take turns with it."""
    for url in urls[:5]:
        submit(base, url)
        for run in others.values():
            run(url)
    ours: list[dict[str, float]] = []
    theirs: dict[str, list[float]] = {name: [] for name in others}
    for url in urls:
        ours.append(submit(base, url))
        for name, run in others.items():
            theirs[name].append(run(url) * 1000)
        time.sleep(0.05)
    found = {name: _summary([one[name] for one in ours]) for name in ("total", *STAGES)}
    return found | {name: _summary(values) for name, values in theirs.items()}


@contextmanager
def litserve(folder: Path, url: str) -> Iterator[dict[str, Callable[[str], float]]]:
    """LitServe as something that takes a URL and gives the seconds of its answer; nothing where it is not installed."""
    environment = Path(os.environ.get(PEERS_ENVIRONMENT, "build/peers")).absolute()
    peer = next(peer for peer in PEERS if peer.name == "LitServe")
    if not installed(peer, environment):
        yield {}
        return
    model = Catalogue(load_settings().models_dir).resolve("classify").folder
    with peer_server(peer, environment, model, folder) as port:
        wait_ready(peer, port, url)
        yield {peer.name: lambda asked: ask(peer, port, [asked])[0]}


def beside_bulk(stack: Stack, urls: list[str], bulk: int) -> dict[str, Any]:
    """Milliseconds of ours while a bulk job of so many photos runs; it is cancelled when that is known."""
    body = "\n".join(f"{urls[at % len(urls)]}?{at}" for at in range(bulk)).encode()
    job = stack.call("/v1/jobs?tasks=classify&priority=bulk", body, {"Content-Type": "text/plain"})
    time.sleep(5)  # until the worker has its hands full
    found = measure(stack.base, urls, {})
    done = stack.call(f"/v1/jobs/{job['id']}", None, {})["counts"]["succeeded"]
    if not 0 < done < bulk:
        raise SystemExit(f"the bulk job had {done} of {bulk} photos done: --beside has to be larger")
    stack.call(f"/v1/jobs/{job['id']}/cancel", b"", {})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--beside", type=int, default=50_000)
    given = parser.parse_args()
    described = machine()
    with tempfile.TemporaryDirectory(prefix="tagline-bench-") as name:
        folder, photos = Path(name), Path(name) / "photos"
        folder.chmod(0o755)
        make_photos(photos, given.count)
        bare = Bare()
        with photo_urls(photos, folder / "files.log") as (files, urls), full_stack(folder, files) as stack:
            with litserve(folder, urls[0]) as others:
                idle = measure(stack.base, urls, {**others, "bare": bare.classify})
            busy = beside_bulk(stack, urls, given.beside)
    figures = {"idle": idle, "beside_bulk": busy}
    for when, found in figures.items():
        for name, summary in found.items():
            print(f"{when:12} {name:8} p50 {summary['p50']:7.1f} ms   p99 {summary['p99']:7.1f} ms")
    write_result("one_photo", {"unit": "ms", **figures}, described, count=given.count, beside=given.beside)


if __name__ == "__main__":
    main()
