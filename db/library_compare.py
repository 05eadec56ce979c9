"""What a source lists against what is known: set by set, in slices, and the unchanged are not written.

A slice is a range of keys, found by walking the listing in order; within it one INSERT ... SELECT decides what every
photo is. The run's cursor says how far it has come, in the same transaction.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    case,
    cast,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from core.states import RunStage, RunState
from db.clock import now_ms
from db.library_runs import enter_stage
from db.library_tables import LibraryChange, LibraryListing, LibraryPhoto, LibraryRun

SLICE = 10_000
_listed, _known = LibraryListing, LibraryPhoto
COLUMNS = (
    "run", "photo", "key", "locator", "etag", "size", "mtime", "kind", "state", "sha256", "before_sha256",
    "before_spec", "why",
)  # fmt: skip


def compare_slice(session: Session, run: LibraryRun, slice_size: int = SLICE) -> None:
    """Compare the next slice of the listing of a run that is locked; after the last one the run goes on."""
    upper = _slice_end(session, _listed.key, _listed.run == run.number, run.cursor, slice_size)
    if upper is not None:
        within = and_(_listed.run == run.number, *_between(_listed.key, run.cursor, upper))
        session.execute(insert(LibraryChange).from_select(COLUMNS, _differences(run, within)))
        run.cursor = upper
    else:
        enter_stage(run, RunStage.GONE)
    session.flush()


def gone_slice(session: Session, run: LibraryRun, slice_size: int = SLICE) -> None:
    """Find what the listing lacks in the next slice of the photos known; after the last one the run goes on."""
    mine = _known.library == run.library
    upper = _slice_end(session, _known.key, mine, run.cursor, slice_size)
    if upper is None:
        _end_gone(session, run)
    else:
        listed = exists().where(_listed.run == run.number, _listed.key == _known.key)
        gone = select(
            _number(run.number), _known.id, _known.key, _known.locator, _known.etag, _known.size, _known.mtime,
            literal("gone"), literal("done"), _known.sha256, func.coalesce(_known.shown, _known.sha256), _known.spec,
            literal("gone"),
        ).where(mine, *_between(_known.key, run.cursor, upper), _known.missing_since.is_(None), ~listed)  # fmt: skip
        session.execute(insert(LibraryChange).from_select(COLUMNS, gone))
        run.cursor = upper
    session.flush()


def _end_gone(session: Session, run: LibraryRun) -> None:
    if not run.dry_run:
        gone = select(LibraryChange.photo).where(LibraryChange.run == run.number, LibraryChange.kind == "gone")
        session.execute(
            update(_known)
            .where(_known.id.in_(gone))
            .values(missing_since=now_ms(), updated_at=now_ms())
            .execution_options(synchronize_session=False)
        )
        back = exists().where(_listed.run == run.number, _listed.key == _known.key)
        session.execute(
            update(_known)
            .where(_known.library == run.library, _known.missing_since.is_not(None), back)
            .values(missing_since=None, updated_at=now_ms())
            .execution_options(synchronize_session=False)
        )
    enter_stage(run, RunStage.RELABEL if run.what == "relabel" else RunStage.ORDER, RunState.RUNNING)


def _slice_end(
    session: Session, key: InstrumentedAttribute[str], mine: ColumnElement[bool], cursor: str | None, size: int
) -> str | None:
    """The last key of the next slice; None if nothing is left."""
    ahead = select(key).where(mine, *_between(key, cursor, None)).order_by(key)
    end = session.scalars(ahead.offset(size - 1).limit(1)).first()
    if end is not None:
        return end
    return session.scalars(ahead.order_by(None).order_by(key.desc()).limit(1)).first()


def _between(key: InstrumentedAttribute[str], after: str | None, upto: str | None) -> tuple[ColumnElement[bool], ...]:
    low = () if after is None else (key > after,)
    return low if upto is None else (*low, key <= upto)


def _number(value: int | None) -> ColumnElement[Any]:
    return cast(literal(value), BigInteger)


def _differences(run: LibraryRun, within: ColumnElement[bool]) -> Select[Any]:
    """Every listed photo of a slice that is not simply unchanged."""
    kind, state, same = _kind(run), _state(run), _same_stat()
    found = (
        select(
            _number(run.number).label("run"), _known.id.label("photo"), _listed.key, _listed.locator, _listed.etag,
            _listed.size, _listed.mtime, kind.label("kind"), state.label("state"),
            case((same, _known.sha256)).label("sha256"),
            func.coalesce(_known.shown, _known.sha256).label("before_sha256"), _known.spec.label("before_spec"),
            kind.label("why"),
        )
        .select_from(_listed)
        .outerjoin(_known, and_(_known.library == run.library, _known.key == _listed.key))
        .where(within)
        .subquery()
    )  # fmt: skip
    nothing = and_(found.c.kind == "unchanged", found.c.state == "left")
    return select(*(found.c[name] for name in COLUMNS)).where(~nothing).order_by(found.c.key)


def _same_stat() -> ColumnElement[bool]:
    """The source says of the bytes what it said when they were read; it does say something."""
    says = or_(_listed.etag.is_not(None), _listed.size.is_not(None), _listed.mtime.is_not(None))
    return and_(says, *(getattr(_listed, name).is_not_distinct_from(getattr(_known, name)) for name in _STAT))


_STAT = ("etag", "size", "mtime")


def _silent() -> ColumnElement[bool]:
    """The source says nothing of the bytes: whether they changed is seen when they are asked for."""
    return and_(*(getattr(_listed, name).is_(None) for name in _STAT))


def _stale(run: LibraryRun) -> ColumnElement[bool]:
    """Its outputs are of other bytes, or made with something else than is asked for."""
    return or_(_known.spec.is_distinct_from(run.spec), _known.shown.is_not(None))


def _kind(run: LibraryRun) -> ColumnElement[str]:
    never = or_(_known.id.is_(None), and_(_known.spec.is_(None), _known.failures == 0))
    return case(
        (never, "new"),
        (~or_(_same_stat(), _silent()), "changed"),
        (_known.failures > 0, case((_may_retry(run), "retried"), else_="unchanged")),
        (_stale(run), "stale"),
        else_="unchanged",
    )


def _may_retry(run: LibraryRun) -> ColumnElement[bool]:
    if run.what == "failed":  # somebody asks for it; in `all`, too, but there a photo counts as it would in `changed`
        return true()
    return and_(~_known.permanent, func.coalesce(_known.retry_at, 0) <= now_ms())


def _state(run: LibraryRun) -> ColumnElement[str]:
    """Whether a photo is due in this run, by what the run is for."""
    kind = _kind(run)
    if run.what == "all":
        due: ColumnElement[bool] = true()
    elif run.what == "failed":
        due = kind == "retried"
    elif run.what == "relabel":
        due = and_(_known.spec.is_not(None), _known.spec.is_distinct_from(run.spec))
    else:
        waits = and_(_known.failures > 0, ~_known.permanent, ~_may_retry(run))
        due = or_(kind != "unchanged", and_(_silent(), ~waits))
    return case((due, "due"), else_="left")
