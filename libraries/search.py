"""Searching a library by words: where they point in the tagger's space, a worker says; the product with the stored
embeddings is made here. A process keeps the matrices of the libraries that were searched last.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.broker import Doorbell
from core.errors import Conflict, RequestError, Unready
from core.heads.ranking import DIGITS
from db.engine import Database, Session
from db.ledger import embedding_recipe
from db.libraries import find_library
from db.library_embeddings import last_models, read_embeddings
from db.library_photos import numbered_photos
from db.library_runs import unfinished_run
from db.library_tables import Library
from db.text_directions import ask_direction, find_direction
from db.workers import count_alive
from jobs.storable import check_text

KEPT = 4  # matrices; one of 100,000 photos takes some 50 MB
BLOCK = 8_192
ANSWER_S, POLL_S = 15.0, 0.02
RELOAD_S = 30.0  # while a run goes on, photos that it adds are found after so long
MAX_QUERY = 200
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Matrix:
    """The photos of a library that have an embedding: their numbers, and float16 [photos, size]."""

    stamp: tuple[int, int]  # of the library, and the recipe
    read_at: float
    numbers: NDArray[np.int64]
    embeddings: NDArray[np.float16]


class LibrarySearch:
    """Searches, for one process; safe to share between threads."""

    def __init__(self, database: Database, doorbell: Doorbell) -> None:
        self._database = database
        self._doorbell = doorbell
        self._matrices: OrderedDict[int, _Matrix] = OrderedDict()
        self._lock = threading.Lock()

    def search(
        self, tenant_id: str, library_id: str, words: str, *, limit: int, offset: int = 0
    ) -> list[dict[str, Any]]:
        """Photos with a `score`, how sure the tagger is that the words are true of them, best first.

        Raises:
            NotFound: `library_not_found`.
            Conflict: `search_needs_tag`, the library's tasks are without `tag`.
            RequestError: `field_invalid`, or `labels_unreadable`, no word of it is known.
            Unready: `no_live_worker`, nobody can tell where the words point; `search_timeout`.
        """
        check_text(words, "q")
        if not words.strip() or len(words) > MAX_QUERY:
            raise RequestError("field_invalid", f"Say what to look for, in up to {MAX_QUERY} characters.", where="q")
        with self._database.read() as session:
            library = find_library(session, tenant_id, library_id)
            if "tag" not in library.tasks:
                raise Conflict("search_needs_tag", "Only a library with tag among its tasks can be searched.")
            if count_alive(session) == 0:
                raise Unready("no_live_worker", "No worker is alive to read these words; try again later.")
            model = last_models(session, library).get("tag")
        if model is None:  # it never ran
            return []
        direction = self._direction(model, " ".join(words.split()))
        with self._database.write() as session:
            recipe = embedding_recipe(session, tenant_id, model)
        with self._database.read() as session:
            found = rank_photos(self._matrix(session, library, recipe), direction, limit, offset)
            return _views(session, library, found)

    def _direction(self, model: str, words: str) -> Floats:
        with self._database.write() as session:
            question = ask_direction(session, model, words)
        until, rung = monotonic() + ANSWER_S, False
        while monotonic() < until:
            with self._database.read() as session:
                answer = find_direction(session, question)
                if answer is not None and answer.direction is not None:
                    return np.frombuffer(answer.direction, "<f4")
                if answer is not None and answer.error_code is not None:
                    raise RequestError(answer.error_code, answer.error_message or "", where="q")
            if not rung:
                rung = True
                self._doorbell.wake()
            sleep(POLL_S)
        raise Unready("search_timeout", "The workers are busy and have not read these words yet; try again.")

    def _matrix(self, session: Session, library: Library, recipe: int) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        stamp = (library.changed, recipe)
        with self._lock:
            known = self._matrices.get(library.number)
        if known is not None and known.stamp != stamp and known.stamp[1] == recipe:
            recent = monotonic() - known.read_at < RELOAD_S
            if recent and unfinished_run(session, library.number) is not None:
                stamp = known.stamp
        if known is None or known.stamp != stamp:
            known = _read(session, library.number, stamp)
            with self._lock:
                self._matrices[library.number] = known
        with self._lock:
            self._matrices.move_to_end(library.number)
            while len(self._matrices) > KEPT:
                self._matrices.popitem(last=False)
        return known.numbers, known.embeddings


def _read(session: Session, library: int, stamp: tuple[int, int]) -> _Matrix:
    numbers: list[int] = []
    blocks: list[bytes] = []
    size = 0
    for rows in read_embeddings(session, library, stamp[1]):
        numbers += [number for number, _ in rows]
        blocks.append(b"".join(body for _, body in rows))
        size = len(rows[0][1]) // 2 if rows else size
    embeddings = np.frombuffer(b"".join(blocks), "<f2").reshape(len(numbers), size)
    return _Matrix(stamp, monotonic(), np.array(numbers, np.int64), embeddings)


def rank_photos(
    matrix: tuple[NDArray[np.int64], NDArray[np.float16]], direction: Floats, limit: int, offset: int
) -> list[tuple[int, float]]:
    """The best photos by their number, with their scores; of equal ones the earlier first.

    Args:
        matrix: numbers, and embeddings float16 [photos, size].
        direction: float32 [size + 1], the bias last.
    """
    numbers, embeddings = matrix
    logits = np.empty(len(numbers), np.float32)
    for at in range(0, len(numbers), BLOCK):  # in blocks: the whole matrix in float32 would be twice as large again
        block = embeddings[at : at + BLOCK].astype(np.float32)
        logits[at : at + BLOCK] = block @ direction[:-1] + direction[-1]
    best = np.argsort(-logits, kind="stable")[offset : offset + limit]
    scores = 1 / (1 + np.exp(-np.clip(logits[best], -80, 80)))
    return [(int(numbers[at]), round(float(score), DIGITS)) for at, score in zip(best, scores, strict=True)]


def _views(session: Session, library: Library, found: list[tuple[int, float]]) -> list[dict[str, Any]]:
    views = {int(view["id"]): view for view in numbered_photos(session, library, [number for number, _ in found])}
    return [{**views[number], "score": score} for number, score in found if number in views]
