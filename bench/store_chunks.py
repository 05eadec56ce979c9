"""Storing results in chunks of 64, against the database's own bulk insert of the same rows, a transaction a chunk.

    python -m bench.store_chunks --chunks 200 --rounds 3

The worker stores the state of the chunk, the results and the counters of the job in one transaction, as in production;
the bulk insert writes the same 64 result rows alone, prepared, and commits: COPY on PostgreSQL, executemany on SQLite.
"""

from __future__ import annotations

import argparse
import statistics
import time

from sqlalchemy import delete, text

from bench.export_results import COLUMNS
from bench.library_rows import open_database
from bench.record import machine, record
from bench.submit_lines import load_rows
from core.inputs import InputItem, ItemResult, cut_chunks
from core.states import Priority
from db import keys
from db.claims import Claim, claim_chunk
from db.engine import Database
from db.jobs import create_job
from db.store import store_results
from db.tables import Result
from jobs.plan import JobPlan

SIZE = 64


def result(item: InputItem) -> ItemResult:
    """A classified photo with five labels."""
    labels = [{"label": f"some label {at}", "score": round(0.9 / 3**at - item.seq % 97 / 1e4, 4)} for at in range(5)]
    outputs = {"classify": {"labels": labels, "model": "classify-efficientnet@1.0.0"}}
    media = {"sha256": f"{item.seq:064x}", "bytes": 40_000 + item.seq, "width": 500, "height": 375}
    return ItemResult(item, outputs=outputs, media=media)


def claims_of(database: Database, tenant: str, chunks: int) -> list[Claim]:
    """A job's chunks, all claimed."""
    url = "https://photos.example.org/2024/07/IMG_{:07d}.jpg"
    items = [InputItem(seq, f"photo-{seq}", "url", url.format(seq)) for seq in range(chunks * SIZE)]
    with database.write() as session:
        plan = JobPlan(tenant_id=tenant, tasks=("classify",), priority=Priority.BULK)
        create_job(session, plan.row(len(items)), cut_chunks(items, SIZE), ttl_hours=1)
    found = []
    for _ in range(chunks):
        with database.write() as session:
            claim = claim_chunk(session, queue="image", worker="bench", lease_ms=3_600_000)
            assert claim is not None
            found.append(claim)
    return found


def measure(database: Database, tenant: str, chunks: int) -> dict[str, float]:
    """Seconds for a chunk, ours and bulk, one after the other."""
    ours, bulk, ours_cpu, bulk_cpu = [], [], [], []
    for claim in claims_of(database, tenant, chunks):
        results = [result(item) for item in claim.items]
        began, used = time.perf_counter(), time.process_time()
        with database.write() as session:
            store_results(session, claim, results)
        ours.append(time.perf_counter() - began)
        ours_cpu.append(time.process_time() - used)
        seqs = {"j": claim.job_id, "a": claim.items[0].seq, "b": claim.items[-1].seq}
        with database.read() as session:
            query = f"SELECT {', '.join(COLUMNS)} FROM results WHERE job_id = :j AND seq BETWEEN :a AND :b"
            if not database.is_sqlite:
                for name in ("input", "outputs", "media"):
                    query = query.replace(f" {name},", f" {name}::text,", 1)
            rows = [tuple(row) for row in session.execute(text(query), seqs)]
        with database.write() as session:
            session.execute(delete(Result).where(Result.job_id == claim.job_id, Result.seq >= seqs["a"]))
        began, used = time.perf_counter(), time.process_time()
        with database.write() as session:
            load_rows(session.connection().connection.driver_connection, database.is_sqlite, "results", COLUMNS, rows)
        bulk.append(time.perf_counter() - began)
        bulk_cpu.append(time.process_time() - used)
    found = {"ours_ms": ours, "bulk_ms": bulk, "ours_cpu_ms": ours_cpu, "bulk_cpu_ms": bulk_cpu}
    return {name: statistics.median(values) * 1000 for name, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    described, found = machine(), {}
    for kind in ("sqlite", "postgresql"):
        with open_database(kind) as database:
            with database.write() as session:
                tenant = keys.create_tenant(session, "bench", "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0")
            rounds = [measure(database, tenant, given.chunks) for _ in range(given.rounds)]
        figures = {name: round(statistics.median(one[name] for one in rounds), 2) for name in rounds[0]}
        figures["ratio"] = round(statistics.median(one["bulk_ms"] / one["ours_ms"] for one in rounds), 2)
        found[kind] = figures
        print(f"{kind}: {figures}")
    record("store_chunks", described, {"chunk": SIZE, "chunks": given.chunks, **found})


if __name__ == "__main__":
    main()
