"""A job as its page shows it: the API's view, and what people ask beside it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from api.forecasts import SecondsLeft
from api.pages.frame.words import STATE_WORDS, duration
from api.v1.views import job_view
from core.states import JobState
from db.tables import Job


@dataclass(frozen=True, slots=True)
class ShownJob:
    """A job for a template.

    Attributes:
        view: as the API shows it.
        noun: what its items are called.
        done: items that are finished, in whatever way.
        rate: items finished a second, since it began or was run again; None if there is nothing to go by.
        took_s: from its beginning to its end; None before that.
        places: its items have the numbers below this, some of which may be missing: a prefix has one, too.
        has_prefixes: more items may be found.
    """

    view: dict[str, Any]
    noun: str
    done: int
    rate: float | None
    took_s: float | None
    places: int
    has_prefixes: bool

    @property
    def finished(self) -> bool:
        return JobState(self.view["state"]).finished

    @property
    def state_words(self) -> str:
        return STATE_WORDS[JobState(self.view["state"])]

    @property
    def took(self) -> str:
        """How long it took, as people say it."""
        if self.took_s is None:
            return "–"
        return duration(self.took_s) if self.took_s >= 1 else "under a second"

    @property
    def options_text(self) -> str:
        return json.dumps(self.view["options"], ensure_ascii=False)

    @property
    def metadata_text(self) -> str:
        return json.dumps(self.view["metadata"], ensure_ascii=False)

    @property
    def pace(self) -> str:
        """The rate as people say it."""
        if self.rate is None:
            return ""
        count, unit = (self.rate, "second") if self.rate >= 1 else (self.rate * 60, "minute")
        return f"{count:,.0f} a {unit}" if count >= 10 else f"{count:.1f} a {unit}"


def shown_job(job: Job, seconds_left: SecondsLeft = lambda _: None) -> ShownJob:
    """What the pages show of a row.

    Args:
        seconds_left: says how long it will take, where that is shown.
    """
    done = job.succeeded + job.failed + job.cancelled
    end = time.time() if job.finished_at is None else job.finished_at / 1000
    took = None if job.started_at is None else max(end - job.started_at / 1000, 0.001)
    since = done - job.done_before - (job.cancelled if job.finished_at else 0)  # what was cancelled took no time
    return ShownJob(
        view=job_view(job, "", seconds_left),
        noun="text" if job.queue == "text" else "photo",
        done=done,
        rate=since / took if took is not None and since > 0 else None,
        took_s=took if job.finished_at is not None else None,
        places=max(job.total, job.next_seq),
        has_prefixes=bool(job.listings),
    )
