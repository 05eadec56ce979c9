"""Exporting results as NDJSON and CSV, against the database's own dump of the same rows.

    python -m bench.export_results --results 1000000 --rounds 3

The clock runs from the request to the last byte at a client on loopback. The dump reads every column of the same rows
in the same order and drops them: COPY TO STDOUT on PostgreSQL, a plain SELECT on SQLite.
"""

from __future__ import annotations

import argparse
import statistics
import time

from sqlalchemy import text

from bench.api_stack import Api, running_api
from bench.record import machine, record
from bench.submit_lines import load_rows
from core.ids import new_id
from core.inputs import groups
from core.states import ItemState, JobState, Priority
from db.engine import Database
from db.tables import Job
from jobs.plan import JobPlan

COLUMNS = (
    "job_id", "seq", "item_id", "state", "input", "outputs", "media", "error_code", "error_message",
    "error_permanent", "finished_at",
)  # fmt: skip
FORMS = {"ndjson": "application/x-ndjson", "csv": "text/csv"}
ORDERED = f"SELECT {', '.join(COLUMNS)} FROM results WHERE job_id = '{{}}' ORDER BY seq"


def result_row(job: str, seq: int) -> tuple[object, ...]:
    """A classified photo: five labels, and what is known of its bytes; one in a hundred failed."""
    url = f'{{"url": "https://photos.example.org/2024/07/IMG_{seq:07d}.jpg"}}'
    if seq % 100 == 99:
        return (job, seq, f"photo-{seq}", ItemState.FAILED.value, url, "null", "null", "http_404", "404", True, 1)
    scores = [round(0.9 / place - seq % 97 / 1e4, 4) for place in (1, 3, 9, 27, 81)]
    labels = ", ".join(f'{{"label": "some label {place}", "score": {score}}}' for place, score in enumerate(scores))
    outputs = f'{{"classify": {{"labels": [{labels}], "model": "classify-efficientnet@1.0.0"}}}}'
    media = f'{{"sha256": "{seq:064x}", "width": 500, "height": 375, "bytes": {40_000 + seq}}}'
    return (job, seq, f"photo-{seq}", ItemState.SUCCEEDED.value, url, outputs, media, None, None, None, 1)


def add_results(database: Database, tenant: str, count: int) -> str:
    """A finished job with this many results; its id."""
    plan = JobPlan(tenant_id=tenant, tasks=("classify",), priority=Priority.BULK)
    with database.write() as session:
        job: Job = plan.row(count)
        job.id, job.state, job.version, job.total = new_id(), JobState.COMPLETED.value, 1, count
        job.succeeded, job.failed, job.cancelled = count - count // 100, count // 100, 0
        job.created_at = job.started_at = job.finished_at = round(time.time() * 1000)
        job.expires_at = job.created_at + 3_600_000
        session.add(job)
    for seqs in groups(range(count), 20_000):
        rows = [result_row(job.id, seq) for seq in seqs]
        with database.write() as session:
            load_rows(session.connection().connection.driver_connection, database.is_sqlite, "results", COLUMNS, rows)
    return job.id


def dump(database: Database, job: str) -> float:
    """The seconds in which the database gives the rows to a client that does nothing with them."""
    began = time.monotonic()
    with database.read() as session:
        connection = session.connection().connection.driver_connection
        assert connection is not None
        if database.is_sqlite:
            for _ in connection.execute(ORDERED.format(job)):
                pass
        else:
            with connection.cursor().copy(f"COPY ({ORDERED.format(job)}) TO STDOUT") as copy:
                for _ in copy:
                    pass
    return time.monotonic() - began


def measure(api: Api, job: str, count: int) -> dict[str, float]:
    found = {"dump_rows_s": count / dump(api.database, job)}
    for name, accept in FORMS.items():
        before = api.cpu_s()
        _, took = api.download(job, accept)
        found |= {f"{name}_rows_s": count / took, f"{name}_cpu_us": (api.cpu_s() - before) / count * 1e6}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    described, found = machine(), {}
    for kind in ("sqlite", "postgresql"):
        with running_api(kind) as api:
            small = add_results(api.database, api.tenant, 1_000)
            job = add_results(api.database, api.tenant, given.results)
            if not api.database.is_sqlite:
                with api.database.write() as session:
                    session.execute(text("ANALYZE results"))
            measure(api, small, 1_000)
            peak_small = api.peak_mb()
            rounds = [measure(api, job, given.results) for _ in range(given.rounds)]
            grown = api.peak_mb() - peak_small
        figures = {name: round(statistics.median(one[name] for one in rounds), 1) for name in rounds[0]}
        for name in FORMS:
            ratios = [one[f"{name}_rows_s"] / one["dump_rows_s"] for one in rounds]
            figures[f"{name}_ratio"] = round(statistics.median(ratios), 3)
        figures["grown_mb"] = round(grown, 1)
        found[kind] = figures
        print(f"{kind}: {figures}")
    record("export_results", described, {"results": given.results, **found})


if __name__ == "__main__":
    main()
