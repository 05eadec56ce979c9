"""A night in which one photo in a hundred changed, against the first run of all of them, through the whole stack.

    python -m bench.library_night --photos 20000

Each run is timed from its start to its end in the database, with `tagline up` on SQLite and the shipped models.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from bench.photos import make_photos
from bench.stack import KEY, free_port, process, wait_until
from core.artefacts.catalogue import Catalogue
from core.settings import load_settings
from core.states import RunState
from db import keys
from db.engine import Database
from jobs.fields import read_fields
from libraries.library_fields import LibraryFields, RunFields
from libraries.manage import Surroundings, create_library
from libraries.runs import read_run, start_run

DISTINCT = 1_000  # photos that are made; the others differ from them in their last bytes alone


def make_folder(folder: Path, count: int) -> None:
    """Photos of different bytes; a JPEG may have anything behind its end."""
    made = folder.parent / "made"
    make_photos(made, min(count, DISTINCT))
    sources = sorted(made.glob("*.jpg"))
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:06d}.jpg").write_bytes(sources[number % len(sources)].read_bytes() + b"%d" % number)
    shutil.rmtree(made)


def run_seconds(database: Database, tenant: str, library: str) -> tuple[float, dict[str, int]]:
    """The seconds that a run takes, and its counts."""
    started = time.monotonic()
    with database.write() as session:
        run = start_run(session, tenant, library, read_fields(RunFields, {}))["id"]
    while True:
        with database.read() as session:
            found = read_run(session, tenant, library, run)
        if RunState(found["state"]).finished:
            break
        time.sleep(0.02)
    if found["state"] != RunState.COMPLETED:
        raise RuntimeError(found)
    return time.monotonic() - started, found["counts"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=20_000)
    parser.add_argument("--nights", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tagline-bench-") as place:
        folder, data, port = Path(place) / "photos", Path(place) / "data", free_port()
        make_folder(folder, given.photos)
        stack = [sys.executable, "-m", "cli.main", "up", "--port", str(port), "--data", str(data)]
        with process([*stack, "--folders", place], Path(place) / "stack.log", TAGLINE_API_KEY=KEY):
            wait_until(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).status == 200)
            settings = load_settings(data_dir=data, folders=(place,))
            database = Database(settings.sql_url)
            with database.write() as session:
                caller = keys.authenticate(session, KEY)
                assert caller is not None
                tenant = caller.tenant_id
                wanted = {"name": "bench", "tasks": ["tag"], "source": {"folder": str(folder)}}
                around = Surroundings(settings, Catalogue(settings.models_dir), ())
                library = create_library(session, tenant, read_fields(LibraryFields, wanted), around).id
            full, counts = run_seconds(database, tenant, library)
            print(f"first run: {full:.1f} s, {counts['ran'] / full:.0f} photos/s")
            for night in range(given.nights):
                for number in range(night, given.photos, 100):
                    path = folder / f"{number:06d}.jpg"
                    path.write_bytes(path.read_bytes() + b"+%d" % night)
                    os.utime(path)
                took, counts = run_seconds(database, tenant, library)
                print(f"night {night + 1}: {took:.1f} s, {counts['changed']} changed: {full / took:.0f} times faster")
            database.close()


if __name__ == "__main__":
    main()
