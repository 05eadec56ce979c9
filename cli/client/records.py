"""A stream of results as records, each once and whole, however often the connection breaks.

The server gives results in input order, each with its `seq`. A stream that broke is asked for again, and the records
that were given already are skipped.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from urllib.parse import urlencode

from cli.client.connection import Client
from cli.client.job_ids import checked_job
from cli.client.problems import CallFailed, Unreachable
from cli.terminal import Failure

NDJSON, CSV = "application/x-ndjson", "text/csv"


class Records:
    """The results of a job as the server writes them.

    Args:
        client: where to ask.
        path: of the job.
        media_type: NDJSON or CSV.
        state: only results in this state; None: all.
    """

    def __init__(self, client: Client, path: str, media_type: str, state: str | None = None) -> None:
        self._client = client
        self._job = path
        self._state = state
        self._path = f"{path}/results" + (f"?{urlencode({'state': state})}" if state else "")
        self._media_type = media_type
        self._header: bytes | None = None  # of CSV
        self._last: bytes | None = None
        self._given = 0

    def __iter__(self) -> Iterator[bytes]:
        """Every record with its line end; of CSV the header is the first.

        Raises:
            CallFailed: the server has been gone for longer than the client's patience.
            Failure: what it sends after a break does not go on from before.
        """
        least = self._ready()
        patience = self._client.patience()
        while True:
            try:
                for record in self._rest():
                    patience.renew()
                    yield record
                if self._given < least and self._given < (least := self._ready()):
                    raise Unreachable(f"the results ended too early, {self._given:,} of {least:,}")
                return
            except CallFailed as failure:
                patience.pause(failure)

    def _ready(self) -> int:
        """How many results there are at least. A stream that was cut may look as if it had ended, where a proxy speaks
        HTTP/1.0 to the server."""
        counts = checked_job(self._client.call("GET", self._job))["counts"]
        return sum(counts[state] for state in ("succeeded", "failed") if self._state in (None, state))

    def _rest(self) -> Iterator[bytes]:
        """What has not been given yet; from the first record if nothing has."""
        after = self._seq(self._last) if self._last else -1
        with self._client.stream("GET", self._path, headers={"Accept": self._media_type}) as answer:
            records = iter(answer) if self._media_type == NDJSON else _rows(answer)
            if self._media_type == CSV:
                yield from self._head(next(records, b""))
            for record in records:
                if not record.endswith(b"\n"):
                    raise Unreachable("the results ended in the middle of one")
                if after >= 0 and self._seq(record) <= after:
                    continue
                after = -1
                self._last = record
                self._given += 1
                yield record

    def _head(self, header: bytes) -> Iterator[bytes]:
        if not header.endswith(b"\n"):
            raise Unreachable("the results ended in the middle of the header")
        if self._header is None:
            self._header = header
            yield header
        elif self._header != header:
            raise Failure("the server has other columns now; ask for the results again")

    def _seq(self, record: bytes) -> int:
        if self._media_type == NDJSON:
            return int(json.loads(record)["seq"])
        names, fields = (_fields(line) for line in (self._header or b"", record))
        return int(fields[names.index("seq")])


def _rows(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Records of CSV: a field in quotes may hold line ends (RFC 4180)."""
    row = b""
    for line in lines:
        row += line
        if row.count(b'"') % 2 == 0:
            yield row
            row = b""
    if row:
        yield row


def _fields(row: bytes) -> list[str]:
    return next(csv.reader(io.StringIO(row.decode("utf-8-sig"), newline="")))
