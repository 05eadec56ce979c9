"""Which thumbnails there are, and for whom.

Their bytes lie outside the database, so no transaction covers them. A worker stores them first, and the rows follow
with the results. What keeps a row from promising bytes that are gone: whoever removes bytes leaves a mark with the time
on the file's row (`db.thumbnail_upkeep`), and whoever brings rows tells since when it may have stored theirs; where the
mark is later, there is no row. Everybody locks files before thumbnails, each in the order of their SHA-256. See
docs/decisions/0139.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, bindparam, case, delete, null, select, update
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningInsert

from core.inputs import ItemResult, groups
from db.clock import now_ms
from db.statements import run, table_of
from db.thumbnail_tables import Thumbnail, ThumbnailFile
from db.upsert import insert_by, insert_into, on_sqlite

AT_A_TIME = 500
DAY_MS = 86_400_000


def note_thumbnails(session: Session, tenant_id: str, results: Sequence[ItemResult], since: int) -> None:
    """Note the thumbnails that were made with some results, and that others were needed again.

    Args:
        since: none of their bytes was stored before, by the database's clock.
    """
    made = {_hash(result) for result in results if result.thumbnail}
    again = {_hash(result) for result in results if result.reused} - made - {b""}
    add_thumbnails(session, tenant_id, made - {b""}, since)
    if again:
        _use_again(session, tenant_id, again)


def add_thumbnails(session: Session, tenant_id: str, hashes: Collection[bytes], since: int) -> None:
    """Give a tenant thumbnails whose bytes are stored; see `note_thumbnails`."""
    for some in groups(sorted(set(hashes)), AT_A_TIME):
        there = _hold_files(session, some, since)
        if there:
            _give(session, tenant_id, there)


def _hold_files(session: Session, hashes: Sequence[bytes], since: int) -> list[bytes]:
    """Those whose bytes are surely there; until this transaction ends nobody removes them."""
    names = {f"sha256_{at}": sha256 for at, sha256 in enumerate(hashes)}
    rows = run(session, _hold(len(hashes), sqlite=on_sqlite(session)), **names, since=since)
    return sorted(bytes(row.sha256) for row in rows if row.removed_at is None)


def _give(session: Session, tenant_id: str, hashes: Sequence[bytes]) -> None:
    names = {f"sha256_{at}": sha256 for at, sha256 in enumerate(hashes)}
    run(session, _have(len(hashes), sqlite=on_sqlite(session)), **names, its_tenant=tenant_id)


@lru_cache(maxsize=128)
def _hold(count: int, *, sqlite: bool) -> ReturningInsert[Any]:
    """SQL: bring the rows of so many files, `sha256_0` and so on; what was removed before `since` is there again."""
    file = table_of(ThumbnailFile)
    insert = insert_by(file, sqlite=sqlite).values([{"sha256": bindparam(f"sha256_{at}")} for at in range(count)])
    since = bindparam("since", type_=BigInteger)
    kept = insert.on_conflict_do_update(
        index_elements=["sha256"],
        set_={
            "removed_at": case((file.c.removed_at < since, null()), else_=file.c.removed_at),
            "check_at": case((file.c.removed_at >= since, file.c.check_at), else_=null()),
        },
    )
    return kept.returning(file.c.sha256, file.c.removed_at)


@lru_cache(maxsize=128)
def _have(count: int, *, sqlite: bool) -> Insert:
    """SQL: a tenant has so many thumbnails, and has used them now."""
    mine = {"tenant_id": bindparam("its_tenant"), "used_at": now_ms()}
    rows = [{**mine, "sha256": bindparam(f"sha256_{at}")} for at in range(count)]
    insert = insert_by(table_of(Thumbnail), sqlite=sqlite).values(rows)
    used = {"used_at": insert.excluded.used_at}
    return insert.on_conflict_do_update(index_elements=["tenant_id", "sha256"], set_=used)


def _use_again(session: Session, tenant_id: str, hashes: Collection[bytes]) -> None:
    """A job had these photos again; written down once a day at most. Who has one in hand is just noting it, too, and is
    not waited for: two who wait for one another's would be a deadlock."""
    mine = (Thumbnail.tenant_id == tenant_id, Thumbnail.sha256.in_(sorted(hashes)))
    stale = select(Thumbnail.sha256).where(*mine, Thumbnail.used_at < now_ms() - DAY_MS)
    locked = session.scalars(stale.with_for_update(skip_locked=True)).all()
    if locked:
        session.execute(
            update(Thumbnail)
            .where(Thumbnail.tenant_id == tenant_id, Thumbnail.sha256.in_(locked))
            .values(used_at=now_ms())
            .execution_options(synchronize_session=False)
        )


def thumbnails_there(session: Session, tenant_id: str, hashes: Iterable[str]) -> frozenset[str]:
    """Those of some photos' SHA-256, in hex, whose thumbnails a tenant may see: one query for a page of them."""
    wanted = {bytes.fromhex(sha256) for sha256 in hashes}
    found = session.scalars(
        select(Thumbnail.sha256).where(Thumbnail.tenant_id == tenant_id, Thumbnail.sha256.in_(wanted))
    )
    return frozenset(bytes(sha256).hex() for sha256 in found)


def forget_thumbnail(session: Session, sha256: str) -> None:
    """Note that the bytes of a thumbnail are gone or damaged: nobody has it any more, and it may be made again."""
    name = bytes.fromhex(sha256)
    insert = insert_into(session, ThumbnailFile).values(sha256=name, check_at=now_ms())
    session.execute(insert.on_conflict_do_update(index_elements=["sha256"], set_={"check_at": now_ms()}))
    session.execute(delete(Thumbnail).where(Thumbnail.sha256 == name))


def _hash(result: ItemResult) -> bytes:
    return bytes.fromhex((result.media or {}).get("sha256", ""))
