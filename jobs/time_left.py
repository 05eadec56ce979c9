"""How long a job will take: a running one by its own recent pace, any other by what is ahead of it.

What is ahead is told from the order in which chunks are claimed (`db.claims.claim_chunk`): interactive before bulk,
among tenants the one that was given least, within a tenant the jobs by turns. Nothing is guessed: where no rate has
been measured, or no worker lives, nobody knows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from core.states import JobState
from core.work_kinds import work_kind
from db.open_work import OpenGroup, OpenWork
from db.tables import Job

QUIET = 0.8  # the part of the time looked back on by which the last results may be old: they come a chunk at a time
FIRM_MS = 15_000  # a pace told from less than this counts in part: the first photos of a job are slow, then many come
LEAST_MS = 5_000  # a pace told from less than this says nothing by itself
WorkNow = Callable[[], OpenWork | None]


def seconds_left(job: Job, now_ms: int, work_now: WorkNow) -> float | None:
    """Seconds until the job has finished; None if it has, or if that is not known.

    Args:
        now_ms: by the database's clock.
        work_now: asked who works, and what else is to be done.
    """
    if JobState(job.state).finished or job.listings:
        return None
    left = max(0, job.total - _done(job))
    found = _seconds(job, left, now_ms, work_now)
    if found is None:
        return None
    waits_s = ((job.waits_until or 0) - now_ms) / 1000 if left else 0.0
    return round(max(found, waits_s, 0.0), 1)


def _seconds(job: Job, left: int, now_ms: int, work_now: WorkNow) -> float | None:
    work = work_now()
    if work is not None and not work.workers:
        return None
    since, done = _looks_back_to(job)
    elapsed = _elapsed_ms(job, since, now_ms)
    by_pace = left * elapsed / done / 1000 if done > 0 and elapsed > 0 else None
    if by_pace is not None and elapsed >= FIRM_MS:
        return by_pace
    expected = seconds_by_order(job, left, work) if work is not None else None
    if expected is None:
        return by_pace if elapsed >= LEAST_MS else None
    if by_pace is None:  # if nothing came of it for so long, it will not be done sooner than that again
        return max(expected, (now_ms - since) / 1000 if since is not None else 0.0)
    trust = elapsed / FIRM_MS
    return float(by_pace**trust * expected ** (1 - trust))


def _done(job: Job) -> int:
    return job.succeeded + job.failed + job.cancelled


def _looks_back_to(job: Job) -> tuple[int | None, int]:
    """Since when the job's pace is told, and what was done since; see `db.job_pace`."""
    if job.pace_from_at is not None and job.pace_from_done is not None:
        return job.pace_from_at, _done(job) - job.pace_from_done
    return job.started_at, _done(job) - job.done_before


def _elapsed_ms(job: Job, since: int | None, now_ms: int) -> float:
    """What the results since then took, and the silence after them if it lasts. Not more than 0: nobody knows."""
    if since is None or job.stored_at is None:
        return 0.0
    return max(job.stored_at - since, QUIET * (now_ms - since))


def seconds_by_order(job: Job, left: int, work: OpenWork) -> float | None:
    """Seconds until a job is done whose chunks are claimed in their order from now on, at the measured rates.

    Args:
        left: its own items that are not finished; `work` may be older than they are, or not know the job at all.
    """
    known, kind = work.jobs.get(job.id), work_kind(job)
    in_hand = min(known.in_hand, left) if known is not None and JobState(job.state) == JobState.RUNNING else 0
    waiting = left - in_hand
    given = waiting  # to its tenant, by the time that it has been given all
    ahead: defaultdict[str, float] = defaultdict(float)  # items by kind
    ahead[kind] = left
    if known is not None:  # it is in its group, too
        given -= min(known.waiting, waiting)
        ahead[kind] -= known.in_hand + min(known.waiting, waiting)
    groups = [group for group in work.groups if group.queue == job.queue and group.priority <= job.priority]
    others: defaultdict[str, list[OpenGroup]] = defaultdict(list)
    for group in groups:  # what is in hand goes on, but inside a worker too the urgent goes first
        ahead[group.kind] += group.in_hand
        if group.priority < job.priority:
            ahead[group.kind] += group.waiting
        elif group.tenant_id != job.tenant_id:
            others[group.tenant_id].append(group)
        else:
            turns = group.within(waiting)
            ahead[group.kind] += turns
            given += turns
    level = given + (known.served if known is not None else _level(job, work))
    for theirs in others.values():
        total = sum(group.waiting for group in theirs)
        part = min(1.0, max(0.0, level - theirs[0].served) / total) if total else 0.0
        for group in theirs:
            ahead[group.kind] += part * group.waiting
    together = _seconds_of(ahead, work)
    if together is None or not left:
        return together
    return max(together, min(left, work.chunk_of(job.queue)) * work.item_s[kind])  # one worker runs a chunk


def _seconds_of(ahead: dict[str, float], work: OpenWork) -> float | None:
    """How long all workers together take for items of these kinds."""
    wanted = {kind: items for kind, items in ahead.items() if items > 0}
    if not work.workers or not wanted.keys() <= work.item_s.keys():
        return None
    return sum(items * work.item_s[kind] for kind, items in wanted.items()) / work.workers


def _level(job: Job, work: OpenWork) -> int:
    """What the tenant of a job that is just coming in counts as having been given; see `db.jobs` on who was idle."""
    equals = [group for group in work.groups if group.priority == job.priority]
    own = [group.served for group in equals if group.tenant_id == job.tenant_id]
    return own[0] if own else min((group.served for group in equals), default=0)
