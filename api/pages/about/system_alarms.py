"""What is wrong with the service, in words, and what to do; the same judgement as /readyz where it judges too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from api.pages.about.system_state import SystemState
from api.pages.frame.words import counted, duration, size
from api.probes.health import OK

INTERACTIVE_LATE_S, BULK_LATE_S = 60.0, 3600.0
IDLE_MINUTES = 5  # without a finished item though some wait
WEBHOOKS_LATE_S = 300.0
LITTLE_DISK, LITTLE_PART = 2_000_000_000, 0.05


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something to see to.

    Attributes:
        section: of docs/operations.md, that says more.
    """

    what: str
    do: str
    section: str


_CHECKS: Final[dict[str, Alarm]] = {
    "database": Alarm("The database does not answer.", "Look at its log; nothing can be accepted meanwhile.",
                         "The database is locked, or the disk is full"),
    "worker": Alarm("No worker is alive: nothing is being run.",
                       "Start one (tagline up, or tagline worker); its log says why it ended.",
                       "A worker dies"),
    "broker": Alarm("Redis does not answer. Jobs are accepted all the same, and start a little later.",
                       "Start it again; nothing is lost, even if it comes back empty.", "Redis is lost"),
}  # fmt: skip


def system_alarms(state: SystemState) -> list[Alarm]:
    """Everything to see to, the most urgent first; empty if all is well."""
    return [*_unready(state), *_disk(state), *_waiting(state), *_silent(state), *_webhooks(state)]


def _unready(state: SystemState) -> Iterator[Alarm]:
    for name, said in state.checks.items():
        if said == OK:
            continue
        yield _CHECKS.get(name) or Alarm(
            f"The {name} cannot serve: {said}.", "Look at the page Models and at the workers' logs.", "First look"
        )


def _disk(state: SystemState) -> Iterator[Alarm]:
    if state.disk_free is None or state.disk_total is None:
        yield Alarm("The data folder's disk cannot be looked at.", "Is it mounted?", "First look")
    elif state.disk_free < min(LITTLE_DISK, LITTLE_PART * state.disk_total):
        yield Alarm(
            f"The disk is nearly full: {size(state.disk_free)} are free.",
            "Free some space before it is: then nothing is accepted and nothing can be stored.",
            "The database is locked, or the disk is full",
        )


def _waiting(state: SystemState) -> Iterator[Alarm]:
    section = "The backlog grows"
    if state.alive and state.waiting and not state.finished_within(IDLE_MINUTES) and _waits_longer(state, IDLE_MINUTES):
        yield Alarm(
            f"Nothing has been finished for {IDLE_MINUTES} minutes, and {counted(state.waiting, 'item')} wait.",
            "Look at the workers' logs: hosts may not answer, or a model may hang.",
            section,
        )
    for queue in state.queues:
        late = INTERACTIVE_LATE_S if queue.priority == "interactive" else BULK_LATE_S
        if queue.oldest_s is not None and queue.oldest_s > late:
            yield Alarm(
                f"Work on {queue.name}s at {queue.priority} priority has waited for {duration(queue.oldest_s)}.",
                "Add workers, or see what keeps those there are.",
                section,
            )


def _waits_longer(state: SystemState, minutes: int) -> bool:
    return any(queue.oldest_s is not None and queue.oldest_s > minutes * 60 for queue in state.queues)


def _silent(state: SystemState) -> Iterator[Alarm]:
    for worker in state.workers:
        if not worker.alive and state.alive:
            yield Alarm(
                f"The worker {worker.name} has been silent for {duration(worker.seen_s)}.",
                "What it had in hand is given to others. If it was not stopped on purpose, its log says why.",
                "A worker dies",
            )


def _webhooks(state: SystemState) -> Iterator[Alarm]:
    if state.webhooks_late_s is not None and state.webhooks_late_s > WEBHOOKS_LATE_S:
        yield Alarm(
            f"Webhooks are {duration(state.webhooks_late_s)} late.",
            "Is the scheduler running? It sends them, and it takes back what silent workers had.",
            "A webhook fails",
        )
