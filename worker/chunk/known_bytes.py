"""Look-ups before inference: a photo whose bytes are known is not run again, whatever it is called.

What the ledger has will do, and what is being run in this very worker: of two photos with the same bytes the second
takes what the first gets.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from core.inputs import InputItem, Validators
from db.engine import Database
from db.ledger import KnownOutputs
from db.library_chunks import LedgerUse, look_up

Bytes = tuple[bytes, tuple[int, ...]]  # SHA-256, recipes
KEPT = 256  # of photos that were run last, until the ledger surely has them


@dataclass(frozen=True, slots=True)
class Running:
    """A photo that a model is given: by task the future of its raw result, and what is known of the photo."""

    raw: Mapping[str, Future[Any]]
    media: Mapping[str, Any]


class UnderWay:
    """The photos that this worker runs or has run just now, by their bytes and recipes."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._places: OrderedDict[Bytes, Future[Running]] = OrderedDict()

    def enter(self, key: Bytes) -> tuple[Future[Running], bool]:
        """The place of these bytes, and whether it is the caller's to fill: nobody else is at it. Whoever gets it must
        put in a result or an exception, whatever happens."""
        with self._lock:
            place = self._places.get(key)
            if place is not None and not _failed(place):
                return place, False
            self._places[key] = place = Future()
            self._places.move_to_end(key)
            while len(self._places) > self._kept:
                self._places.popitem(last=False)
            return place, True


def _failed(place: Future[Running]) -> bool:
    if not place.done():
        return False
    if place.exception() is not None:
        return True
    return any(raw.done() and (raw.cancelled() or raw.exception() is not None) for raw in place.result().raw.values())


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

    def enter(self, sha256: bytes) -> tuple[Future[Running], bool] | None:
        """See UnderWay.enter; None where every photo is to be run for itself."""
        return self._under_way.enter((sha256, self._recipes)) if self._use.look else None
