"""Submitting a million lines of NDJSON, against the database's own bulk load of the same chunk rows.

    python -m bench.submit_lines --lines 1000000 --rounds 3

The clock runs from the first byte of the request to the answer of a server of its own on loopback; then the rows that
it wrote are loaded once more, prepared, into the same table: with COPY on PostgreSQL, in one executemany on SQLite.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import text

from bench.api_stack import Api, running_api
from bench.record import machine, record
from db.engine import Database

COLUMNS = (
    "job_id", "tenant_id", "queue", "priority", "turn", "first_seq", "last_seq", "size", "inputs", "state", "token",
    "attempts", "alone", "created_at",
)  # fmt: skip
NAMES = ", ".join(COLUMNS)


def make_body(lines: int) -> bytes:
    line = '{{"id": "photo-{0}", "url": "https://photos.example.org/2024/07/IMG_{0:07d}.jpg"}}\n'
    return "".join(map(line.format, range(lines))).encode()


def bulk_load(database: Database, job: str) -> float:
    """Load a job's chunks again; the seconds without preparing them."""
    with database.read() as session:
        rows = [
            tuple(row) for row in session.execute(text(f"SELECT {NAMES} FROM chunks WHERE job_id = :j"), {"j": job})
        ]
        last = session.execute(text("SELECT max(id) FROM chunks")).scalar_one()
    began = time.monotonic()
    with database.write() as session:
        load_rows(session.connection().connection.driver_connection, database.is_sqlite, "chunks", COLUMNS, rows)
    took = time.monotonic() - began
    with database.write() as session:
        session.execute(text("DELETE FROM chunks WHERE id > :last"), {"last": last})
    return took


def load_rows(connection: Any, is_sqlite: bool, table: str, columns: Sequence[str], rows: list[Any]) -> None:
    """The fastest way that the database offers a client for rows in its memory."""
    names = ", ".join(columns)
    if is_sqlite:
        connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(columns))})", rows)
        return
    with connection.cursor().copy(f"COPY {table} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def measure(api: Api, body: bytes, lines: int) -> dict[str, float]:
    before = api.cpu_s()
    job, took = api.submit(body, "tasks=classify")
    used = api.cpu_s() - before
    load = bulk_load(api.database, job)
    with api.database.write() as session:
        session.execute(text("DELETE FROM jobs"))
    return {"lines_s": lines / took, "cpu_us": used / lines * 1e6, "load_lines_s": lines / load}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    described, found = machine(), {}
    small, large = make_body(1_000), make_body(given.lines)
    for kind in ("sqlite", "postgresql"):
        with running_api(kind) as api:
            measure(api, small, 1_000)
            peak_small = api.peak_mb()
            rounds = [measure(api, large, given.lines) for _ in range(given.rounds)]
            grown = api.peak_mb() - peak_small
        figures = {name: round(statistics.median(one[name] for one in rounds), 1) for name in rounds[0]}
        figures["ratio"] = round(statistics.median(one["lines_s"] / one["load_lines_s"] for one in rounds), 3)
        figures["grown_mb"] = round(grown, 1)
        found[kind] = figures
        print(
            f"{kind}: {figures['lines_s']:,.0f} lines/s ({figures['cpu_us']} us of the API a line), "
            f"bulk load {figures['load_lines_s']:,.0f} lines/s, ratio {figures['ratio']}; "
            f"API {figures['grown_mb']:+} MB against 1,000 lines"
        )
    record("submit_lines", described, {"lines": given.lines, **found})


if __name__ == "__main__":
    main()
