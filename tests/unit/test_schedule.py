"""Cron expressions in time zones, over both changes of the clocks, and windows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from core.errors import RequestError
from libraries.schedule import Schedule

BERLIN = "Europe/Berlin"


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("cron", "zone", "after", "due"),
    [
        ("0 2 * * *", BERLIN, "2026-01-10T02:00+01:00", "2026-01-11T02:00+01:00"),
        # 02:30 does not exist on the day when clocks go forward: it is made up right after, once
        ("30 2 * * *", BERLIN, "2026-03-28T02:30+01:00", "2026-03-29T03:00+02:00"),
        ("30 2 * * *", BERLIN, "2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"),
        # and comes twice when they go back: the first time counts
        ("30 2 * * *", BERLIN, "2026-10-24T02:30+02:00", "2026-10-25T02:30+02:00"),
        ("30 2 * * *", BERLIN, "2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"),
        ("0 2 * * *", "America/New_York", "2026-11-01T00:00-04:00", "2026-11-01T02:00-05:00"),
        ("0 3 * * MON", "Asia/Kolkata", "2026-01-10T00:00+05:30", "2026-01-12T03:00+05:30"),
        ("0 2 29 2 *", "UTC", "2026-03-01T00:00+00:00", "2028-02-29T02:00+00:00"),
        ("0 2 * * *", None, "2026-03-29T01:00+00:00", "2026-03-29T02:00+00:00"),
    ],
)
def test_when_it_is_due_next(cron: str, zone: str | None, after: str, due: str) -> None:
    assert Schedule.parse({"cron": cron, "timezone": zone}).next_after(_ms(after)) == _ms(due)


def test_a_year_of_nights_has_one_run_each() -> None:
    schedule = Schedule.parse({"cron": "30 2 * * *", "timezone": BERLIN})
    now, days = _ms("2026-01-01T12:00+01:00"), []
    for _ in range(365):
        now = schedule.next_after(now)
        days.append(datetime.fromtimestamp(now / 1000, schedule.zone).date())
    assert len(set(days)) == 365
    assert (days[-1] - days[0]).days == 364


@pytest.mark.parametrize(
    ("window", "at", "opened"),
    [
        ("02:00-06:00", "2026-01-10T02:00+01:00", True),
        ("02:00-06:00", "2026-01-10T05:59+01:00", True),
        ("02:00-06:00", "2026-01-10T06:00+01:00", False),
        ("02:00-06:00", "2026-01-10T01:59+01:00", False),
        ("22:00-04:00", "2026-01-10T23:00+01:00", True),
        ("22:00-04:00", "2026-01-10T03:59+01:00", True),
        ("22:00-04:00", "2026-01-10T12:00+01:00", False),
        ("02:00-06:00", "2026-03-29T03:00+02:00", True),
        (None, "2026-01-10T12:00+01:00", True),
    ],
)
def test_whether_the_window_is_open(window: str | None, at: str, opened: bool) -> None:
    assert Schedule.parse({"cron": "0 2 * * *", "timezone": BERLIN, "window": window}).open_at(_ms(at)) is opened


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"cron": "61 * * * *"}, "cron_invalid"),
        ({"cron": "0 0 31 2 *"}, "cron_invalid"),
        ({"cron": "* * * * * *"}, "cron_invalid"),
        ({"cron": ""}, "cron_invalid"),
        ({"cron": "@daily"}, "cron_invalid"),
        ({"cron": "0 2 * * *", "timezone": "Mars/Base"}, "timezone_unknown"),
        ({"cron": "0 2 * * *", "timezone": "Europe"}, "timezone_unknown"),
        ({"cron": "0 2 * * *", "timezone": "../../etc/passwd"}, "timezone_unknown"),
        ({"cron": "0 2 * * *", "timezone": "localtime"}, "timezone_unknown"),
        ({"cron": "0 2 * * *", "window": "02:00-02:00"}, "window_invalid"),
        ({"cron": "0 2 * * *", "window": "2-6"}, "window_invalid"),
        ({"cron": "0 2 * * *", "window": "24:00-06:00"}, "window_invalid"),
        ({"cron": "0 2 * * *", "window": ""}, "window_invalid"),
    ],
)
def test_what_is_no_schedule(fields: dict[str, Any], code: str) -> None:
    with pytest.raises(RequestError) as caught:
        Schedule.parse(fields)
    assert caught.value.code == code
    assert (caught.value.where or "").startswith("/schedule/")
