"""A claimed prefix: listed page by page, while other workers run what was found."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic

from core.errors import ItemError, LeaseLost
from core.inputs import InputKind, PrefixState
from core.outbound.s3.store import S3Store
from core.settings import Settings
from core.states import Priority
from db.claims import Claim
from db.engine import Database
from db.job_listings import end_listing, put_back, store_page
from libraries.listing.entry import Page, SourceFailed
from libraries.listing.open_listing import s3_uri
from libraries.listing.s3_prefix import S3PrefixListing

log = logging.getLogger(__name__)
TURN_S = 20.0  # for one prefix at a time


def is_prefix(claim: Claim) -> bool:
    """Whether a chunk is a prefix to be listed, and not photos or texts."""
    return claim.items[0].kind == "s3_prefix"


def expand_prefix(database: Database, settings: Settings, claim: Claim, stopping: Callable[[], bool]) -> None:
    """List a prefix until it ends, its turn is over, or the worker stops. Never raises LeaseLost.

    Args:
        stopping: asked after each page.
    """
    state = PrefixState.of(claim.items[0].ref)
    until = monotonic() + TURN_S
    error: ItemError | None = None
    try:
        for page in S3PrefixListing(S3Store(settings), settings, state.prefix).pages(state.after):
            state = _store(database, settings, claim, state, page)
            if stopping() or monotonic() > until:
                with database.write() as session:
                    put_back(session, claim)
                return
        if not state.found:
            error = ItemError("s3_prefix_empty", "there is no photo below this prefix")
    except SourceFailed as failed:
        error = ItemError(failed.code, failed.message, permanent=failed.permanent)
    except OverflowError:
        error = _too_many(settings, claim)
    except LeaseLost:
        log.warning("lost the prefix; somebody else lists it")
        return
    try:
        with database.write() as session:
            end_listing(session, claim, state, error)
    except LeaseLost:
        log.warning("lost the prefix; somebody else lists it")


def _store(database: Database, settings: Settings, claim: Claim, state: PrefixState, page: Page) -> PrefixState:
    """Store a page; returns the state behind it."""
    inputs: list[tuple[InputKind, str]] = [("s3", s3_uri(state.prefix, entry.key)) for entry in page.entries]
    behind = PrefixState(state.prefix, state.found + len(inputs), page.position)
    most = settings.max_inputs
    if claim.priority == Priority.INTERACTIVE:
        most = min(most, settings.interactive_max_inputs)
    with database.write() as session:
        store_page(session, claim, inputs, behind, chunk_size=settings.chunk_size, most=most)
    return behind


def _too_many(settings: Settings, claim: Claim) -> ItemError:
    if claim.priority == Priority.INTERACTIVE and settings.interactive_max_inputs < settings.max_inputs:
        message = f"an interactive job has at most {settings.interactive_max_inputs:,} inputs; submit it as bulk"
        return ItemError("interactive_too_large", message)
    return ItemError("too_many_inputs", f"a job has at most {settings.max_inputs:,} inputs; submit several prefixes")
