"""What a worker should know of a chunk's inputs before it reads any: whose outputs lie in the ledger, and how to ask a
server for bytes that are known already."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.inputs import Validators
from db.claims import Claim
from db.ledger import KnownOutputs, find_recipes, known_outputs, recipes_by_task, with_variants
from db.library_tables import LibraryChange, LibraryPhoto, LibraryRun


@dataclass(frozen=True, slots=True)
class LedgerUse:
    """How a chunk uses the ledger.

    Attributes:
        recipes: by task.
        look: outputs that lie there will do.
        run_models: what is not there is run; a dry run does not.
        known: SHA-256 of bytes that need no reading, by item id.
        validators: what a server said of the bytes it sent last, by item id; only where nothing but other bytes would
            make the photo run again.
    """

    recipes: Mapping[str, int]
    look: bool = True
    run_models: bool = True
    known: Mapping[str, bytes] = field(default_factory=dict)
    validators: Mapping[str, Validators] = field(default_factory=dict)


def ledger_use(session: Session, claim: Claim) -> LedgerUse | None:
    """How a chunk uses the ledger; None if it does not at all."""
    if claim.library_run is None and not claim.reuse:
        return None
    if claim.library_run is None:
        models = with_variants(claim.models, claim.variants)
        return LedgerUse(find_recipes(session, claim.tenant_id, claim.tasks, models, claim.options))
    run = session.execute(
        select(LibraryRun.what, LibraryRun.dry_run, LibraryRun.spec).where(LibraryRun.number == claim.library_run)
    ).one_or_none()
    if run is None or run.spec is None:  # it has been deleted: nothing of it will be kept
        return LedgerUse({}, look=False)
    recipes = recipes_by_task(session, run.spec)
    ids = [int(item.id) for item in claim.items]
    photo, change = LibraryPhoto, LibraryChange
    rows = session.execute(
        select(
            change.id, change.kind, change.sha256, photo.sha256.label("bytes"), photo.etag, photo.modified,
            photo.spec, photo.shown, photo.failures, photo.permanent,
        )
        .outerjoin(photo, photo.id == change.photo)
        .where(change.id.in_(ids))
    ).all()  # fmt: skip
    anew = run.what == "all"
    known = {str(row.id): bytes(row.sha256) for row in rows if row.sha256 is not None}
    may_skip = {
        str(row.id): Validators(row.etag, row.modified)
        for row in rows
        if row.kind == "unchanged" and (row.etag or row.modified) and row.bytes is not None
        and (row.permanent or (row.failures == 0 and row.spec == run.spec and row.shown is None))
    }  # fmt: skip
    return LedgerUse(recipes, not anew, not run.dry_run, {} if anew else known, {} if anew else may_skip)


def look_up(session: Session, use: LedgerUse, hashes: Collection[bytes]) -> dict[bytes, KnownOutputs]:
    """What the ledger knows of bytes, as far as it may be used."""
    return known_outputs(session, use.recipes, hashes) if use.look and use.recipes else {}
