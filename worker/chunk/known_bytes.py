"""Look-ups before inference: a photo whose bytes are known is not run again, whatever it is called.

What the ledger has will do, and what is being run in this very worker: of two photos with the same bytes the second
takes what the first gets.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from core.inputs import InputItem, Validators
from db.engine import Database
from db.ledger import KnownOutputs
from db.library_chunks import LedgerUse, look_up

Raw = Mapping[str, Future[Any]]
Bytes = tuple[bytes, tuple[int, ...]]  # SHA-256, recipes
KEPT = 256  # raw results of photos that were run last, until the ledger surely has them


class UnderWay:
    """Raw results of the photos that this worker runs or has run just now, by their bytes and recipes."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._raw: OrderedDict[Bytes, Raw] = OrderedDict()

    def find(self, key: Bytes) -> Raw | None:
        """What a photo of these bytes gets; None if nobody runs one, or its run was given up."""
        with self._lock:
            raw = self._raw.get(key)
        if raw is None or any(_failed(future) for future in raw.values()):
            return None
        return raw

    def put(self, key: Bytes, raw: Raw) -> None:
        """Remember what a photo will get."""
        with self._lock:
            self._raw[key] = raw
            self._raw.move_to_end(key)
            while len(self._raw) > self._kept:
                self._raw.popitem(last=False)


def _failed(future: Future[Any]) -> bool:
    return future.cancelled() or (future.done() and future.exception() is not None)


class KnownBytes:
    """What a chunk need not run, and how it asks for bytes that are known.

    Attributes:
        run_models: False in a dry run: what is not known stays unknown.
    """

    def __init__(self, database: Database, use: LedgerUse, under_way: UnderWay, items: Sequence[InputItem]) -> None:
        self._database = database
        self._use = use
        self._under_way = under_way
        self._recipes = tuple(sorted(use.recipes.values()))
        self.run_models = use.run_models
        self._read: dict[bytes, KnownOutputs] = {}
        wanted = [use.known[item.id] for item in items if item.id in use.known]
        if wanted and use.look:
            with database.read() as session:
                self._read = look_up(session, use, wanted)

    def before_reading(self, item: InputItem) -> tuple[bytes, KnownOutputs] | None:
        """SHA-256 and outputs of an input whose bytes need no reading."""
        sha256 = self._use.known.get(item.id)
        found = self._read.get(sha256) if sha256 is not None else None
        return (sha256, found) if sha256 is not None and found is not None else None

    def validators(self, item: InputItem) -> Validators | None:
        """By what a server may say that the bytes are still those known."""
        return self._use.validators.get(item.id)

    def find(self, sha256: bytes) -> KnownOutputs | None:
        """The outputs of bytes, if the ledger has them all."""
        if not self._use.look:
            return None
        with self._database.read() as session:
            return look_up(session, self._use, [sha256]).get(sha256)

    def share(self, sha256: bytes) -> Raw | None:
        """What another photo of the same bytes gets, which this worker runs."""
        return self._under_way.find((sha256, self._recipes)) if self._use.look else None

    def note(self, sha256: bytes, raw: Raw) -> None:
        """Remember what a photo of these bytes will get."""
        if self._use.look:
            self._under_way.put((sha256, self._recipes), raw)
