"""A job's changes as events of a request that waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from api.http.waits import Event
from api.job_hub import JobHub, Watch
from db.tables import Job

GONE = Event(b"", last=True)


@dataclass(frozen=True, slots=True)
class JobSource:
    """Events of one job (`api.http.waits.Source`).

    Attributes:
        version: what the client knows.
        render: the event that a change is, or None if it is none; called on another thread, outside of any request.
        key_sha256: if given, the events end when this key is revoked.
    """

    hub: JobHub
    job_id: str
    version: int
    render: Callable[[Job], Event | None]
    key_sha256: str | None = None

    def open(self, deliver: Callable[[Event], None]) -> Callable[[], None]:
        def tell(job: Job | None) -> None:
            event = GONE if job is None else self.render(job)
            if event is not None:
                deliver(event)

        watch = Watch(self.job_id, self.version, tell, self.key_sha256)
        self.hub.watch(watch)
        return lambda: self.hub.unwatch(watch)
