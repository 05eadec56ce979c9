"""Which thumbnails there are, and for whom.

Their bytes lie outside the database, so no transaction covers them. A worker stores them first, and the rows follow
with the results. What keeps a row from promising bytes that are gone: whoever removes bytes leaves a mark with the time
on the file's row (`db.thumbnail_upkeep`), and whoever brings rows tells since when it may have stored theirs; where the
mark is later, there is no row. Everybody locks files before thumbnails, each in the order of their SHA-256. See
docs/decisions/0139.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import case, delete, null, select, update
from sqlalchemy.orm import Session

from core.inputs import ItemResult, groups
from db.clock import current_ms, now_ms
from db.thumbnail_tables import Thumbnail, ThumbnailFile
from db.upsert import insert_into

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
    file = ThumbnailFile
    insert = insert_into(session, file).values([{"sha256": sha256} for sha256 in hashes])
    before = file.removed_at < since
    kept = insert.on_conflict_do_update(
        index_elements=["sha256"],
        set_={
            "removed_at": case((before, null()), else_=file.removed_at),
            "check_at": case((file.removed_at >= since, file.check_at), else_=null()),
        },
    )
    rows = session.execute(kept.returning(file.sha256, file.removed_at)).all()
    return sorted(bytes(row.sha256) for row in rows if row.removed_at is None)


def _give(session: Session, tenant_id: str, hashes: Sequence[bytes]) -> None:
    now = current_ms(session)
    rows = [{"tenant_id": tenant_id, "sha256": sha256, "used_at": now} for sha256 in hashes]
    insert = insert_into(session, Thumbnail).values(rows)
    session.execute(insert.on_conflict_do_update(index_elements=["tenant_id", "sha256"], set_={"used_at": now}))


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
