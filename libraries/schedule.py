"""When a library is due: a cron expression in a time zone, and a window outside of which its runs pause.

cronsim does as Debian's cron does where clocks change: what falls into the hour that is skipped runs right after it,
and what falls into the hour that comes twice runs once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any, Self
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from core.errors import RequestError

_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_CRON_FIELDS = 5
_NO_ZONES = ("localtime", "posix", "right/")  # beside the zones on some machines, and not on others


@dataclass(frozen=True, slots=True)
class Window:
    """The part of each day in which scheduled runs go on, in local time; it may pass midnight."""

    opens: time
    closes: time

    @classmethod
    def parse(cls, text: str) -> Self:
        """From "HH:MM-HH:MM".

        Raises:
            RequestError: `window_invalid`; also for one that is empty.
        """
        found = _WINDOW.fullmatch(text)
        if found is None:
            raise _invalid("window", "Write a window as 02:00-06:00.")
        hour, minute, until_hour, until_minute = map(int, found.groups())
        opens, closes = time(hour, minute), time(until_hour, until_minute)
        if opens == closes:
            raise _invalid("window", "This window is empty; leave it out for the whole day.")
        return cls(opens, closes)

    def holds(self, now: time) -> bool:
        """Whether a time of day lies in it; the end does not."""
        if self.opens < self.closes:
            return self.opens <= now < self.closes
        return now >= self.opens or now < self.closes


@dataclass(frozen=True, slots=True)
class Schedule:
    """When runs begin, and when they may go on."""

    cron: str
    zone: ZoneInfo
    window: Window | None

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> Self:
        """From a library's `schedule`.

        Raises:
            RequestError: `cron_invalid`, `timezone_unknown` or `window_invalid`, with a JSON pointer.
        """
        zone = _zone(fields.get("timezone") or "UTC")
        window = Window.parse(fields["window"]) if fields.get("window") is not None else None
        schedule = cls(fields["cron"], zone, window)
        schedule.next_after(0)
        return schedule

    def next_after(self, now_ms: int) -> int:
        """When it is due next, strictly after a moment; both in milliseconds since 1970-01-01 UTC.

        Raises:
            RequestError: `cron_invalid`, the expression is none, or never comes true.
        """
        start = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(self.zone)
        try:
            if len(self.cron.split()) != _CRON_FIELDS:
                raise CronSimError(f"{_CRON_FIELDS} fields are expected")
            following = next(CronSim(self.cron, start))
        except CronSimError as error:
            raise _invalid("cron", f"This is no cron expression: {str(error).lower()}.") from None
        except (StopIteration, OverflowError, ValueError):
            raise _invalid("cron", "This cron expression never comes true.") from None
        return round(following.timestamp() * 1000)

    def open_at(self, now_ms: int) -> bool:
        """Whether scheduled runs may go on at a moment."""
        local = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(self.zone)
        return self.window is None or self.window.holds(local.time().replace(tzinfo=None))


def _zone(name: str) -> ZoneInfo:
    try:
        if name.startswith(_NO_ZONES):
            raise KeyError(name)
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, no name at all, or a folder of zones
        raise _invalid("timezone", "There is no such time zone; write an IANA name like Europe/Berlin.") from None


def _invalid(field: str, message: str) -> RequestError:
    code = "timezone_unknown" if field == "timezone" else f"{field}_invalid"
    return RequestError(code, message, where=f"/schedule/{field}")
