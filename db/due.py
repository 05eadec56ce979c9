"""Which deliveries go next: fair by host, and the oldest first.

One receiver that is silent, or has a hundred thousand messages to come, must not hold up another's single one. So
places are given in rounds: a host gets its second only after every host with something due has its first. The choice
costs a few index probes a host, however much is due.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import select, text, union_all
from sqlalchemy.orm import Session, aliased

from db.clock import now_ms
from db.tables import Delivery

OPEN = text("deliveries.state IN ('pending', 'sending')")  # as the partial indexes have it, or they would not be used
LATER_OPEN = text("later.state IN ('pending', 'sending')")
Due = tuple[int, str]  # next_attempt_at, id


def choose_due(session: Session, *, limit: int, per_host: int, busy: Mapping[str, int]) -> list[str]:
    """The ids of up to `limit` due deliveries, by their turn.

    Args:
        per_host: the most that may be on their way to one host, those of `busy` included.
        busy: how many are on their way to a host already; they count as places that it has had.
    """
    if limit <= 0:
        return []
    hosts = [*busy, *_longest_waiting(session, limit, busy)]
    room = {host: min(per_host - busy.get(host, 0), limit) for host in hosts}
    due = _oldest_due(session, {host: places for host, places in room.items() if places > 0})
    # By places had, then by time waited.
    turns = [(busy.get(host, 0) + place, one) for host, found in due.items() for place, one in enumerate(found)]
    return [delivery_id for _, (_, delivery_id) in sorted(turns)[:limit]]


def _longest_waiting(session: Session, limit: int, busy: Collection[str]) -> Sequence[str]:
    """Of the hosts that are not busy those whose oldest delivery has been due for longest; more than `limit` cannot get
    a place."""
    later = aliased(Delivery, name="later")
    first = select(Delivery.id).where(OPEN).order_by(Delivery.host, Delivery.next_attempt_at).limit(1)
    oldest = select(first.scalar_subquery().label("id")).cte("oldest", recursive=True)
    following = (
        select(later.id)
        .where(LATER_OPEN, later.host > Delivery.host)
        .order_by(later.host, later.next_attempt_at)
        .limit(1)
        .scalar_subquery()
    )
    # From host to host along the index: DISTINCT or a window would read everything that is due.
    oldest = oldest.union_all(select(following).select_from(oldest).join(Delivery, Delivery.id == oldest.c.id))
    # Looked up one by one, not joined: for a join SQLite reads the whole table into a Bloom filter first.
    host, due = (
        select(column).where(Delivery.id == oldest.c.id).scalar_subquery().label(name)
        for column, name in ((Delivery.host, "host"), (Delivery.next_attempt_at, "due"))
    )
    heads = select(host, due).select_from(oldest).subquery()
    waiting = select(heads.c.host).where(heads.c.due <= now_ms(), heads.c.host.not_in(busy))
    return session.scalars(waiting.order_by(heads.c.due, heads.c.host).limit(limit)).all()


def _oldest_due(session: Session, places: Mapping[str, int]) -> dict[str, list[Due]]:
    """For each host its oldest due deliveries, as many as it has places."""
    if not places:
        return {}
    is_due = (Delivery.next_attempt_at <= now_ms()).label("is_due")
    parts = [
        select(Delivery.host, Delivery.next_attempt_at, Delivery.id, is_due)
        # A range and an order, not an equation: else the planner may walk the index by time, past everybody else's.
        .where(OPEN, Delivery.host >= host, Delivery.host <= host)
        .order_by(Delivery.host, Delivery.next_attempt_at)
        .limit(most)
        .subquery()
        for host, most in places.items()
    ]
    found: dict[str, list[Due]] = defaultdict(list)
    for host, due, delivery_id, ready in session.execute(union_all(*map(select, parts))):
        if ready:
            found[host].append((due, delivery_id))
    return {host: sorted(due) for host, due in found.items()}
