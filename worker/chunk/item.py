"""One photo of a chunk on its way: fetched and decoded, then inferred. Nothing here waits."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from enum import IntEnum
from time import monotonic
from typing import Any

from core.errors import ItemError
from core.images.decode import decode_image
from core.inputs import InputItem, Validators
from core.states import Priority
from db.claims import Claim
from db.ledger import KnownOutputs
from worker.chunk.context import WorkerContext
from worker.chunk.known_bytes import KnownBytes, Running
from worker.chunk.thumbnail_maker import wants_thumbnails
from worker.inference.dispatch import Dispatcher
from worker.sources.source import Fetched

PICTURE_S = 2.0  # at most so long an item that is done waits for its thumbnail to be stored


class Stage(IntEnum):
    """Where an item is."""

    FETCH = 0
    DECODE = 1
    INFER = 2
    DONE = 3


class ItemRun:
    """An item under way; each stage runs on the threads that do its work.

    Attributes:
        stage: where it is.
        media: sha256, bytes, width and height, as far as they are known.
        raw: by task, the future of its raw result; of an item that is done all of them are.
        outputs: by task, where the ledger had them and nothing was run; empty in a dry run that knows none.
        reused: no model has seen this item, for its bytes are known.
        unmodified: its server says that the bytes are those known; then there are no outputs.
        validators: what its server says of the bytes.
        error: why it got no further; then `raw` is empty.
        thumbnail: whether the photo's thumbnail was stored; None: there is none to come.
    """

    def __init__(
        self,
        context: WorkerContext,
        claim: Claim,
        dispatcher: Dispatcher,
        item: InputItem,
        finished: Callable[[ItemRun], None],
        known: KnownBytes | None = None,
    ) -> None:
        """`finished` is called once, when the item is done, from any thread; it must be quick."""
        self.item = item
        self.stage = Stage.FETCH
        self.fetched_since = 0.0
        self.media: dict[str, Any] | None = None
        self.raw: Mapping[str, Future[Any]] = {}
        self.outputs: dict[str, dict[str, Any]] | None = None
        self.reused = False
        self.unmodified = False
        self.validators: Validators | None = None
        self.error: BaseException | None = None
        self.thumbnail: Future[bool] | None = None
        self._done_at = 0.0
        self._context = context
        self._claim = claim
        self._dispatcher = dispatcher
        self._finished = finished
        self._known = known
        self._memory = context.memory.reserve(Priority(claim.priority))
        self._lock = threading.Lock()
        self._open = 0  # raw results that are still to come

    def start(self) -> None:
        """Set the item on its way. Never raises."""
        before = self._known.before_reading(self.item) if self._known else None
        if before is not None:
            sha256, outputs = before
            self.media = {"sha256": sha256.hex()}
            self._take(outputs)
            self._finish()
            return
        started = self.fetched_since = monotonic()
        sources, item = self._context.sources, self.item

        def fetched(blob: Future[Any]) -> None:
            self._context.metrics.stage.labels("fetch").observe(monotonic() - started)
            self._hand_on(self._read, blob)

        whose, priority = self._claim.tenant_id, Priority(self._claim.priority)
        if self._known is None:
            sources.fetch(item.kind, item.ref, whose, priority, self._memory).add_done_callback(fetched)
        else:
            known = self._known.validators(item)
            answer = sources.fetch_changed(item.kind, item.ref, whose, known, priority, self._memory)
            answer.add_done_callback(fetched)

    @property
    def settled(self) -> bool:
        """Whether nothing is waited for any more: of an item that is done, its thumbnail may still be on its way."""
        return self.thumbnail is None or self.thumbnail.done() or monotonic() - self._done_at > PICTURE_S

    @property
    def has_thumbnail(self) -> bool:
        """Whether its thumbnail is stored now."""
        stored = self.thumbnail
        return stored is not None and stored.done() and not stored.cancelled() and stored.result()

    def _hand_on(self, work: Callable[..., Mapping[str, Future[Any]] | None], *arguments: Any) -> None:
        """Do the next stage on one of the threads for decoding; None: somebody else goes on with the item."""
        self.stage = Stage.DECODE
        self._context.leases.meter.works(self._claim.chunk_id)
        try:
            self._context.decoders.submit(self._claim.priority, lambda: self._guarded(work, *arguments))
        except RuntimeError:  # the worker is shutting down
            self._fail(ItemError("worker_stopping", "The worker is stopping.", permanent=False))

    def _guarded(self, work: Callable[..., Mapping[str, Future[Any]] | None], *arguments: Any) -> None:
        try:
            with self._context.in_flight.track("decode", [(self._claim.chunk_id, self.item.seq)]):
                self._dispatcher.check()
                try:
                    raw = work(*arguments)
                finally:
                    self._memory.release()  # the photo is decoded, or will not be
        except BaseException as error:
            self._fail(error)
        else:
            if raw is not None:
                self._infer(raw)

    def _read(self, blob: Future[bytes] | Future[Fetched]) -> Mapping[str, Future[Any]] | None:
        """What was fetched, decoded; nothing where its server says that its bytes are those known."""
        found = blob.result()
        if not isinstance(found, Fetched):
            return self._decode(found)
        self.validators = found.validators
        if found.data is not None:
            return self._decode(found.data)
        self.unmodified, self.outputs = True, {}
        return {}

    def _decode(self, data: bytes) -> Mapping[str, Future[Any]] | None:
        """A photo as each model takes it, queued for each of them; unless its bytes are known."""
        digest = hashlib.sha256(data)
        self.media = {"sha256": digest.hexdigest(), "bytes": len(data)}
        known = self._known
        if known is None:
            return self._run(data).raw
        if self._is_known(known, digest.digest()):
            return {}
        place, mine = known.enter(digest.digest()) or (Future(), True)
        if not mine:
            place.add_done_callback(self._share)
            return None
        try:
            running = self._run(data)
        except BaseException as error:
            place.set_exception(error)
            raise
        place.set_result(running)
        return running.raw

    def _run(self, data: bytes) -> Running:
        with self._context.metrics.timed("decode"):
            most, specs = self._context.settings.image_max_pixels, self._dispatcher.image_specs
            wanted = wants_thumbnails(self._context.settings, self._claim)
            largest = max(specs, key=lambda spec: max(spec.size)) if wanted else None
            images = {spec: decode_image(data, spec, most, keep_frame=spec == largest) for spec in specs}
        media = next(iter(images.values())).media
        self.media = {**(self.media or {}), **media}
        pixels = {spec: image.pixels for spec, image in images.items()}
        raw = self._dispatcher.infer_image(pixels, self.item.seq)
        frame = images[largest].frame if largest is not None else None
        if frame is not None:  # only now: the models are at it already
            self.thumbnail = self._context.thumbnails.make(frame, self.media["sha256"])
        return Running(raw, media)

    def _share(self, place: Future[Running]) -> None:
        """Take what another photo of the same bytes gets."""
        try:
            running = place.result()
        except BaseException as error:
            self._fail(error)
            return
        self.reused = True
        self.media = {**(self.media or {}), **running.media}
        self._infer(running.raw)

    def _is_known(self, known: KnownBytes, sha256: bytes) -> bool:
        """Whether these bytes need no model: the ledger has their outputs, or nobody shall run them."""
        found = known.find(sha256)
        if found is not None:
            self._take(found)
        elif not known.run_models:
            self.outputs = {}
        return self.outputs is not None

    def _take(self, found: KnownOutputs) -> None:
        self.outputs, self.reused = found.outputs, True
        if self.media is not None and found.width:
            self.media |= {"width": found.width, "height": found.height}

    def _infer(self, raw: Mapping[str, Future[Any]]) -> None:
        if self.outputs is not None:
            self._finish()
            return
        self.raw = raw
        self._open = len(raw)
        self.stage = Stage.INFER
        for future in raw.values():
            future.add_done_callback(self._one_done)

    def _one_done(self, _: Future[Any]) -> None:
        with self._lock:
            self._open -= 1
            last = self._open == 0
        if last:
            self._finish()

    def _fail(self, error: BaseException) -> None:
        self.error = error
        self._finish()

    def _finish(self) -> None:
        self._memory.release()
        self._done_at = monotonic()
        self.stage = Stage.DONE
        self._finished(self)
