"""The way of one chunk: claim, fetch, decode, infer, store. A text needs no fetching and is prepared where images are
decoded.

Several chunks are in hand, each driven by the thread that claimed it, so while the model runs a batch of one, the
images of the next are decoded and those of a third are fetched. A chunk that only waits for the network is handed over
to `WaitingChunks`, and its thread claims the next.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from time import monotonic

from core.errors import ArtefactError, ItemError
from core.inputs import ItemResult
from core.states import Priority
from core.tasks import read_options
from db.claims import Claim, mark_alone, release_chunk
from db.library_chunks import ledger_use
from db.store import store_results
from worker.chunk.context import WorkerContext
from worker.chunk.known_bytes import KnownBytes
from worker.chunk.prefixes import expand_prefix, is_prefix
from worker.chunk.run import ChunkRun
from worker.inference.dispatch import Dispatcher
from worker.inference.repository import model_unavailable

log = logging.getLogger(__name__)

POLL_S = 0.25
GATE_S = 1.0
CROWDED_S = 1.0
# A bulk chunk keeps its thread this long while it waits for the network: the hosts of most photos answer at once.
NETWORK_GRACE_S = 1.0


def run_batch(context: WorkerContext, queue: str, priorities: Sequence[Priority] = tuple(Priority)) -> bool:
    """Run one chunk of a queue until it is done or only waits for the network; False if there was none."""
    # Before the claim: a chunk that waited here would be kept from other workers by its lease.
    if not context.gate.wait_open(GATE_S) or context.stopping.is_set():
        return False
    crowded = queue == "image" and Priority.BULK in priorities and context.memory.crowded
    if context.waiting.full or crowded:
        priorities = [priority for priority in priorities if priority == Priority.INTERACTIVE]
    with ExitStack() as held:
        if queue == "text" and Priority.BULK in priorities and not _take_text_slot(context, held):
            return False
        claim = held.enter_context(context.leases.claim(queue, priorities))
        if claim is None:
            if crowded:  # there are chunks, maybe, but no room: not all rings shall be used up meanwhile
                context.memory.wait_uncrowded(CROWDED_S)
            return False
        if is_prefix(claim):
            expand_prefix(context.database, context.settings, claim, context.stopping.is_set)
            return True
        run = _start(context, claim, held)
    if run is not None:
        _drive(context, run)
    return True


def _take_text_slot(context: WorkerContext, held: ExitStack) -> bool:
    """Whether another bulk chunk of texts may be in hand. Texts keep Python busy and wait for nobody: more threads at
    them only take the interpreter from each other, so that all of them take longer."""
    free = context.text_slots.acquire(timeout=GATE_S)
    if free:
        held.callback(context.text_slots.release)
    return free


def _drive(context: WorkerContext, run: ChunkRun) -> None:
    """Drive a chunk for as long as it keeps this machine busy."""
    grace_s = NETWORK_GRACE_S if run.claim.priority == Priority.BULK else 0.0
    while run.step():
        if run.waits_for_network and monotonic() - run.started >= grace_s:
            context.waiting.add(run)
            return
        run.changed.wait(POLL_S)
        run.changed.clear()


def _start(context: WorkerContext, claim: Claim, held: ExitStack) -> ChunkRun | None:
    """The chunk under way, with its lease and its share of the gate; None if it is done with already."""
    if not _pass_gate(context, claim, held):
        return None
    claim = _with_variants(context, claim)
    known = _known_bytes(context, claim)
    try:
        dispatcher = _dispatcher(context, claim, run_models=known is None or known.run_models)
    except ItemError as error:
        with context.database.write() as session:
            store_results(session, claim, [ItemResult(item, error=error) for item in claim.items])
        return None
    return ChunkRun(context, claim, dispatcher, held.pop_all(), known)


def _with_variants(context: WorkerContext, claim: Claim) -> Claim:
    """The claim with the variants that its tasks run in here, where the ledger tells them apart. Those of a library's
    run have been settled by its beginning."""
    if context.settings.ledger_variants == "alike" or not claim.reuse or claim.library_run is not None:
        return claim
    try:
        served = {task: context.models.get(task, claim.models.get(task)) for task in claim.tasks}
    except ArtefactError:  # whoever runs the models says so
        return claim
    return replace(claim, variants={task: one.variant for task, one in served.items()})


def _known_bytes(context: WorkerContext, claim: Claim) -> KnownBytes | None:
    """What a chunk need not run; None if it is to be run whatever is known."""
    if not claim.reuse and claim.library_run is None:
        return None
    # A run's recipes have their numbers; those of a job may be new.
    with context.database.read() if claim.library_run is not None else context.database.write() as session:
        use = ledger_use(session, claim)
    return KnownBytes(context.database, use, context.under_way, claim.items) if use else None


def _pass_gate(context: WorkerContext, claim: Claim, held: ExitStack) -> bool:
    """Whether the chunk may be run now; otherwise it has been given back."""
    # Workers died with this chunk in hand. It runs alone, so that no other chunk is blamed if it happens again.
    if claim.attempts >= context.settings.max_attempts:
        held.callback(context.gate.alone())
        if not context.stopping.is_set():
            with context.database.write() as session:
                mark_alone(session, claim)
            return True
    else:
        leave = context.gate.share()
        if leave is not None:
            held.callback(leave)
            return True
    with context.database.write() as session:
        release_chunk(session, claim)
    return False


def _dispatcher(context: WorkerContext, claim: Claim, *, run_models: bool) -> Dispatcher:
    """The dispatcher to the models of a chunk's tasks, if they are to be run; options are parsed here, once for all its
    items.

    Raises:
        ItemError: this worker cannot run the chunk.
    """
    tasks = claim.tasks if run_models else ()
    try:
        served = {task: context.models.get(task, claim.models.get(task)) for task in tasks}
    except ArtefactError as error:
        raise model_unavailable(error) from error
    options = {task: read_options(task, claim.options.get(task, {})) for task in tasks}
    return Dispatcher(claim.priority, served, options, tenant=claim.tenant_id, chunk_id=claim.chunk_id)
