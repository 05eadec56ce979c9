"""States of jobs, chunks, items and deliveries; they are stored and shown as they are spelled here."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"  # at least one item succeeded
    FAILED = "failed"  # none did
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def finished(self) -> bool:
        return self not in (JobState.QUEUED, JobState.RUNNING)


class ChunkState(StrEnum):
    PENDING = "pending"
    LEASED = "leased"
    DONE = "done"
    CANCELLED = "cancelled"  # its items still have to be written as cancelled results


class ItemState(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class DeliveryState(StrEnum):
    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Priority(IntEnum):
    """Lower is sooner."""

    INTERACTIVE = 0
    BULK = 1


class RunState(StrEnum):
    """Of a library's run."""

    QUEUED = "queued"
    LISTING = "listing"
    RUNNING = "running"
    PAUSED = "paused"  # its window is over; it goes on when the next one opens
    COMPLETED = "completed"  # whatever became of single photos
    FAILED = "failed"
    CANCELLED = "cancelled"
    SOURCE_FAILED = "source_failed"
    SOURCE_SHRUNK = "source_shrunk"

    @property
    def finished(self) -> bool:
        return self not in (RunState.QUEUED, RunState.LISTING, RunState.RUNNING, RunState.PAUSED)


class RunStage(StrEnum):
    """What is to be done next about a library's run; never shown."""

    PIN = "pin"  # the models; by a scheduler
    LIST = "list"  # the source; by a worker
    COMPARE = "compare"  # with what is known; by a scheduler
    GONE = "gone"  # find what is no longer there; by a scheduler
    ORDER = "order"  # jobs, until everything due is done; by a scheduler
    RELABEL = "relabel"  # from embeddings; by a worker
    SIDECARS = "sidecars"  # write them; by a worker
    CLOSE = "close"  # count, receipt, webhook; or clear away what a run that has ended left behind; by a scheduler
    DONE = "done"


class PhotoState(StrEnum):
    """Of a photo of a library."""

    PRESENT = "present"
    FAILED = "failed"  # there, and could not be run
    MISSING = "missing"  # its source no longer lists it
