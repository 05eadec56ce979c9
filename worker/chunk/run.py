"""A claimed chunk under way: its items are started, gathered and stored, by whichever thread calls `step`."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from contextlib import ExitStack
from dataclasses import replace
from time import monotonic
from typing import Any

import structlog

from core.errors import ItemError, LeaseLost, Postponed, TaglineError
from core.inputs import InputItem, ItemResult
from db.claims import Claim, release_chunk
from db.engine import Unavailable
from db.reap import set_apart
from db.store import store_results, store_some
from worker.chunk.context import WorkerContext
from worker.chunk.item import ItemRun, Stage
from worker.chunk.known_bytes import KnownBytes
from worker.chunk.texts import Outcome, TextsRun, text_groups
from worker.inference.dispatch import Dispatcher
from worker.models.model import Output

log = logging.getLogger(__name__)

PARTIAL_STORE_S = 1.0  # what has finished is stored at least this often while the rest is under way
SILENT_S = 1.0  # a fetch that takes longer leaves the window
DRAIN_S = 6.0  # a worker that is asked to stop finishes what it can within this time


class _GiveBack(Exception):
    """The rest of the chunk will not be finished by this worker."""


class ChunkRun:
    """The items of one claim, from their start to their rows.

    `step` never waits for an item. Between steps, wait for `changed`.

    Attributes:
        claim: on what is not stored yet.
        changed: set whenever an item is done. Who drives several chunks replaces it, while no step runs.
    """

    def __init__(
        self,
        context: WorkerContext,
        claim: Claim,
        dispatcher: Dispatcher,
        held: ExitStack,
        known: KnownBytes | None = None,
    ) -> None:
        """`held`: its lease and its share of the gate, closed when the chunk is done with. `known`: what need not be
        run, where look-ups are wanted."""
        self.claim = claim
        self.changed = threading.Event()
        self.started = monotonic()
        self._context = context
        self._held = held
        self._dispatcher = dispatcher
        self._known = known
        self._lock = threading.RLock()
        self._to_start = deque(claim.items)
        self._under_way: dict[int, ItemRun] = {}
        self._done: deque[ItemRun] = deque()
        self._texts: list[TextsRun] = []
        self._results: list[ItemResult] = []
        self._postponed: list[float] = []  # seconds until each such item may be tried again
        self._next_store = self.started + PARTIAL_STORE_S
        self._drain_until: float | None = None
        self.closed = False
        context.runs.add(self)

    def step(self) -> bool:
        """Go on as far as possible without waiting; False once the chunk is done with. Never raises."""
        ids = {"job": self.claim.job_id, "chunk": self.claim.chunk_id, "attempt": self.claim.attempts}
        with self._lock, structlog.contextvars.bound_contextvars(**ids):
            if not self.closed:
                self._attempt(self._advance)
                meter = self._context.leases.meter
                tell = meter.waits if self.waits_for_network else meter.works
                tell(self.claim.chunk_id)
            return not self.closed

    @property
    def waits_for_network(self) -> bool:
        """Whether none of its items keeps this machine busy: all of them are being fetched, or wait for others that
        are."""
        items = list(self._under_way.values())
        return bool(items) and not self._texts and all(item.stage == Stage.FETCH for item in items)

    def give_back(self, delay_s: float = 0.0, suspects: frozenset[int] = frozenset()) -> None:
        """Store what has finished and return the rest to the queue.

        Args:
            delay_s: the rest is not claimed before.
            suspects: seqs of the items that a model hung on; they are set apart, see `db.reap.set_apart`.
        """
        with self._lock:
            if not self.closed:
                self._attempt(lambda: self._release(delay_s, suspects))
                self._close()

    def _attempt(self, work: Callable[[], None]) -> None:
        context = self._context
        try:
            work()
        except LeaseLost:
            context.metrics.lease_losses.inc()
            context.metrics.chunks.labels("lost").inc()
            log.warning("lost the chunk; what was not stored of it is dropped")
            self._close()
        except Exception:
            # Nothing is lost: the lease runs out, and the chunk runs again.
            log.exception("a chunk could not be run")
            self._close()

    def _advance(self) -> None:
        try:
            self._check()
            self._start_items()
            self._gather()
        except _GiveBack:
            self._release()
            self._close()
            return
        self._store()

    def _check(self) -> None:
        if self._context.leases.lost(self.claim):
            raise LeaseLost(self.claim.chunk_id)
        if self._context.stopping.is_set():
            self._drain_until = self._drain_until or monotonic() + DRAIN_S
            worth_waiting = (self._under_way or self._texts) and not self.waits_for_network
            if not worth_waiting or monotonic() > self._drain_until:
                self._gather()
                raise _GiveBack

    def _start_items(self) -> None:
        """Start photos while the window has room, and all texts, unless the worker stops; a photo leaves the window
        once it is decoded."""
        if self._context.stopping.is_set() or not self._to_start:
            return
        if self._to_start[0].kind == "text":  # a job has either
            for group in text_groups(self._to_start):
                texts = TextsRun(self._context, self.claim, self._dispatcher, group, lambda: self.changed.set())
                self._texts.append(texts)
                texts.start()
            self._to_start.clear()
            return
        in_memory = sum(_in_memory(item) for item in self._under_way.values())
        while self._to_start and in_memory < self._context.settings.chunk_window:
            item = self._to_start.popleft()
            run = ItemRun(self._context, self.claim, self._dispatcher, item, self._item_done, self._known)
            self._under_way[item.seq] = run
            run.start()
            in_memory += run.stage < Stage.INFER

    def _item_done(self, item: ItemRun) -> None:
        self._done.append(item)
        self.changed.set()

    def _gather(self) -> None:
        for _ in range(len(self._done)):
            item = self._done.popleft()
            if not self._is_settled(item):
                self._done.append(item)
                continue
            del self._under_way[item.item.seq]
            try:
                self._results.append(replace(self._result(item), thumbnail=item.has_thumbnail))
            except Postponed as error:
                self._postponed.append(error.retry_in_s)
        for texts in self._texts:
            for text, outcome in texts.collect():
                self._results.append(self._result_of_text(text, outcome))
        self._texts = [texts for texts in self._texts if not texts.done]
        self._start_items()

    def _is_settled(self, item: ItemRun) -> bool:
        """Whether an item that is done can be stored; one whose thumbnail is just being stored comes with it."""
        if item.thumbnail is None or item.settled or self._context.stopping.is_set():
            return True
        item.thumbnail.add_done_callback(lambda _: self.changed.set())
        return False

    def _result(self, run: ItemRun) -> ItemResult:
        """What became of an item; a failure belongs to it alone.

        Raises:
            Postponed: its host asks to wait.
            _GiveBack: the worker is stopping, which is no failure of the item.
        """
        item = run.item
        try:
            if run.error is not None:
                raise run.error
            if run.outputs is not None:
                return ItemResult(
                    item, run.outputs, run.media, reused=run.reused, kept=True, unmodified=run.unmodified,
                    validators=run.validators,
                )  # fmt: skip
            outputs = {task: self._dispatcher.render(task, future.result()) for task, future in run.raw.items()}
            return self._succeeded(item, outputs, run.media, reused=run.reused, validators=run.validators)
        except Exception as error:
            return self._failed(item, error, run.media)

    def _result_of_text(self, item: InputItem, outcome: Outcome) -> ItemResult:
        """As `_result`, for a text."""
        return outcome if isinstance(outcome, ItemResult) else self._failed(item, outcome)

    def _succeeded(self, item: InputItem, outputs: Mapping[str, Output], media: Any = None, **more: Any) -> ItemResult:
        embeddings = {task: found.embedding for task, found in outputs.items() if found.embedding is not None}
        shown = {task: found.json for task, found in outputs.items()}
        return ItemResult(item, shown, media, embeddings=embeddings, **more)

    def _failed(self, item: InputItem, error: BaseException, media: Any = None) -> ItemResult:
        if isinstance(error, Postponed):
            raise error
        if isinstance(error, CancelledError):
            raise _GiveBack from error
        if isinstance(error, ItemError):
            if self._context.stopping.is_set() and not error.permanent:
                raise _GiveBack from error
            return ItemResult(item, media=media, error=error)
        if not isinstance(error, Exception):
            raise error
        log.error("an item failed unexpectedly", exc_info=error, extra={"seq": item.seq})
        code = error.code if isinstance(error, TaglineError) else "internal_error"
        failure = ItemError(code, "Tagline failed on this item; its log says why.", permanent=False)
        return ItemResult(item, media=media, error=failure)

    def _store(self) -> None:
        if not self._to_start and not self._under_way and not self._texts:
            if self._postponed:
                self._release(min(self._postponed), hosts_ask=True)
            else:
                with self._context.metrics.timed("store"), self._context.database.write() as session:
                    store_results(session, self.claim, self._results)
                self._count("stored")
            self._close()
        elif self._results and monotonic() >= self._next_store:
            self._next_store = monotonic() + PARTIAL_STORE_S
            try:
                with self._context.metrics.timed("store"), self._context.database.write() as session:
                    rest = store_some(session, self.claim, self._results)
            except Unavailable as error:  # the next time stores them too
                log.warning("some results could not be stored yet: %s", error)
            else:
                self._count("stored in part")
                self.claim = rest

    def _release(self, delay_s: float = 0.0, suspects: frozenset[int] = frozenset(), hosts_ask: bool = False) -> None:
        """Store what has finished, and put the rest back in the same transaction."""
        with self._context.metrics.timed("store"), self._context.database.write() as session:
            if len(self._results) == len(self.claim.items):
                store_results(session, self.claim, self._results)
            else:
                rest = store_some(session, self.claim, self._results) if self._results else self.claim
                if suspects:
                    set_apart(session, rest, suspects, max_attempts=self._context.settings.max_attempts)
                else:
                    release_chunk(session, rest, delay_ms=round(delay_s * 1000), hosts_ask=hosts_ask)
        self._count("released")

    def _count(self, outcome: str) -> None:
        metrics, results = self._context.metrics, self._results
        metrics.chunks.labels(outcome).inc()
        for state, count in Counter(result.state for result in results).items():
            metrics.items.labels(state).inc(count)
        codes = Counter(result.error.code for result in results if result.error)
        for code, count in codes.items():
            metrics.item_errors.labels(code).inc(count)
        failed = codes.total()
        self._context.leases.meter.succeeded(self.claim.chunk_id, len(results) - failed)
        log.info("chunk %s", outcome, extra={"items": len(results), "failed": failed})
        self._results = []

    def _close(self) -> None:
        self.closed = True
        self._context.runs.discard(self)
        self._dispatcher.cancel()
        self._held.close()
        self.changed.set()


def _in_memory(item: ItemRun) -> bool:
    """Whether a photo counts in the chunk's window. One that its host has kept waiting has no bytes here yet, and must
    not keep its neighbours from starting."""
    silent = item.stage == Stage.FETCH and monotonic() - item.fetched_since > SILENT_S
    return item.stage < Stage.INFER and not silent
