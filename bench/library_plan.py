"""Planning a library's night in which nothing changed: rows a second, and the memory it takes.

    python -m bench.library_plan --photos 1000000 --database postgresql

The clock runs while a listing is written and compared, in the slices of production; each size in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

from bench.library_rows import LEASE_MS, add_photos, begin_run, entry, make_library, open_database, run_row
from core.inputs import groups
from core.states import RunStage
from db.engine import Database
from db.library_compare import compare_slice, gone_slice
from db.library_ends import count_run
from db.library_listing import end_listing, write_listing
from db.library_runs import RunClaim, take_run

LISTED_AT_A_TIME = 5_000  # as worker/libraries/list_source.py does


def plan(database: Database, claim: RunClaim, photos: int) -> dict[str, float]:
    """Seconds for listing and comparing."""
    started = time.monotonic()
    for entries in groups(map(entry, range(photos)), LISTED_AT_A_TIME):
        with database.write() as session:
            write_listing(session, claim, entries, position=entries[-1].key, skipped=0, lease_ms=LEASE_MS)
    with database.write() as session:
        end_listing(session, claim)
    listed = time.monotonic()
    longest = 0.0
    while True:
        begun = time.monotonic()
        with database.write() as session:
            run = take_run(session, claim.number)
            assert run is not None
            if run.stage not in (RunStage.COMPARE, RunStage.GONE):
                break
            (compare_slice if run.stage == RunStage.COMPARE else gone_slice)(session, run)
        longest = max(longest, time.monotonic() - begun)
    done = time.monotonic()
    with database.read() as session:
        counts = count_run(session, run_row(session, claim.number))
    assert (counts["unchanged"], counts["gone"]) == (photos, 0), counts
    return {"listed_s": listed - started, "compared_s": done - listed, "longest_slice_s": longest}


def measure(kind: str, photos: int) -> None:
    with open_database(kind) as database:
        library = make_library(database)
        add_photos(database, library, photos)
        claim = begin_run(database, library, RunStage.LIST)
        took = plan(database, claim, photos)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**took, "peak_mb": peak}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=1_000_000)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="postgresql")
    parser.add_argument("--here", action="store_true", help="measure one size, and print JSON")
    given = parser.parse_args()
    if given.here:
        measure(given.database, given.photos)
        return
    command = [sys.executable, "-m", "bench.library_plan", "--here", "--database", given.database, "--photos"]
    small, large = (
        json.loads(subprocess.run([*command, str(count)], check=True, capture_output=True).stdout)
        for count in (1_000, given.photos)
    )
    total = large["listed_s"] + large["compared_s"]
    print(
        f"{given.database}: {given.photos:,} unchanged photos in {total:.1f} s, {given.photos / total:,.0f} rows/s "
        f"(listing {large['listed_s']:.1f} s, comparing {large['compared_s']:.1f} s, "
        f"longest slice {large['longest_slice_s']:.2f} s); "
        f"memory {large['peak_mb'] - small['peak_mb']:+.0f} MB against 1,000 photos"
    )


if __name__ == "__main__":
    main()
