"""How right `eta_seconds` is: told every half second while real jobs run, against when they had finished.

    python -m bench.eta --count 1500

On a stack of its own on SQLite, one after the other: a job alone, of whose kind nothing has been measured before; two
jobs sent at once, which take turns; a job a third of whose photos are not there, and its retry when they are. The error
is the difference to the seconds that were really left, as a part of these, from the first tenth of a job's time to the
ninth; a null counts as unknown. To bench/results/eta.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.machine import machine, write_result
from bench.photos import make_photos
from bench.stack import KEY, free_port, full_stack, photo_urls, process, wait_until

EACH_S = 0.5
FROM, TO = 0.1, 0.9  # of a job's time
GOOD = 0.2
Told = list[tuple[float, float | None]]  # when, by the clock, and the seconds that were said to be left


def call(base: str, path: str, body: bytes | None = None, kind: str = "text/plain") -> Any:
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": kind}
    with urllib.request.urlopen(urllib.request.Request(base + path, body, headers), timeout=60) as answer:
        return json.load(answer)


def submit(base: str, urls: Sequence[str]) -> Any:
    return call(base, "/v1/jobs?tasks=classify&priority=bulk", "\n".join(urls).encode())


def follow(base: str, jobs: Sequence[Any], began: float) -> list[dict[str, Any]]:
    """Ask for jobs until all have finished; how right the answers were, for each."""
    told: dict[str, Told] = {job["id"]: [(time.time(), job["eta_seconds"])] for job in jobs}
    ended: dict[str, float] = {}
    while len(ended) < len(jobs):
        time.sleep(EACH_S)
        for job_id in told.keys() - ended.keys():
            at, job = time.time(), call(base, f"/v1/jobs/{job_id}")
            if job["finished_at"]:
                ended[job_id] = datetime.fromisoformat(job["finished_at"]).timestamp()
            else:
                told[job_id].append((at, job["eta_seconds"]))
    found = [errors(told[job["id"]], began, ended[job["id"]]) for job in jobs]
    print(*found, sep="\n", flush=True)
    return found


def errors(told: Told, began: float, ended: float) -> dict[str, Any]:
    took = ended - began
    within = [(ended - at, eta) for at, eta in told if FROM <= (at - began) / took <= TO]
    parts = sorted(abs(eta - left) / left for left, eta in within if eta is not None)
    first = next((eta for _, eta in told if eta is not None), None)
    return {
        "took_s": round(took, 1),
        "first_s": first,
        "asked": len(within),
        "unknown": len(within) - len(parts),
        "median": round(statistics.median(parts), 3) if parts else None,
        "p90": round(parts[int(len(parts) * 0.9)], 3) if parts else None,
        "within_20_percent": round(sum(part <= GOOD for part in parts) / len(within), 3) if within else None,
    }


class LateServer:
    """A server of photos that has none at first."""

    def __init__(self, folder: Path, photos: Path) -> None:
        self.place = f"127.0.0.1:{free_port()}"
        self.photos, self.nothing, self._log = photos, folder / "nothing", folder / "late.log"
        self.nothing.mkdir()

    def url(self, url: str) -> str:
        return f"http://{self.place}/{url.rpartition('/')[2]}"

    @contextmanager
    def serving(self, folder: Path) -> Iterator[None]:
        command = [sys.executable, "-m", "bench.file_server", str(folder), self.place.rpartition(":")[2]]
        with process(command, self._log):
            wait_until(self._answers)
            yield

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://{self.place}/", timeout=5).close()
        except urllib.error.HTTPError:
            pass
        return True


def retried(base: str, urls: Sequence[str], late: LateServer) -> dict[str, Any]:
    """A job every third of whose photos is missing at first, and its retry once they are there."""
    given = [late.url(url) if number % 3 == 0 else url for number, url in enumerate(urls)]
    with late.serving(late.nothing):
        job = submit(base, given)
        follow(base, [job], time.time())
    with late.serving(late.photos):
        began = time.time()
        return follow(base, [call(base, f"/v1/jobs/{job['id']}/retry", b"")], began)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1500)
    count = parser.parse_args().count
    described, found = machine(), {}
    with tempfile.TemporaryDirectory(prefix="tagline-bench-") as name:
        folder, photos = Path(name), Path(name) / "photos"
        make_photos(photos, count)
        late = LateServer(folder, photos)
        with (
            photo_urls(photos, folder / "files.log") as (files, urls),
            full_stack(folder, f"{files},{late.place}") as stack,
        ):
            began = time.time()
            found["alone"] = follow(stack.base, [submit(stack.base, urls)], began)[0]
            began = time.time()
            two = [submit(stack.base, urls), submit(stack.base, urls[: count // 3])]
            found["beside_another"], found["small_behind_it"] = follow(stack.base, two, began)
            found["retry"] = retried(stack.base, urls, late)
    write_result("eta", described=described, figures=found, count=count)


if __name__ == "__main__":
    main()
