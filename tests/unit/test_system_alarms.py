"""What the page System warns of: each fault has its sentence, and a healthy service none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from api.pages.about.system_alarms import system_alarms
from api.pages.about.system_counters import measured
from api.pages.about.system_state import Queue, SystemState
from api.pages.jobs.job_search import id_range
from api.probes.health import OK
from db.throughput import Minute
from db.workers import SeenWorker

WHOLE = "01a21846-2098-77ee-91c9-241dd272ac7d"
ALIVE = SeenWorker("w1", 0, 2.0, True, ("a@1.0.0",))
SILENT = SeenWorker("w2", 0, 300.0, False, ())
QUIET = [Minute(at * 60_000, 0, 0) for at in range(60)]
BUSY = [*QUIET[:-1], Minute(0, 5, 1)]
WELL = SystemState(
    checks=dict.fromkeys(("database", "worker", "broker", "models"), OK), workers=[ALIVE], finished={}, queues=[],
    messages={}, minutes=BUSY, open_jobs={}, webhooks=0, webhooks_late_s=None, database_bytes=1,
    disk_free=50_000_000_000, disk_total=100_000_000_000,
)  # fmt: skip


def waiting(priority: str, oldest_s: float) -> list[Queue]:
    return [Queue("image", priority, 100, 10, 0, oldest_s)]


def test_all_is_well() -> None:
    assert system_alarms(WELL) == []
    assert system_alarms(replace(WELL, queues=waiting("bulk", 3000.0))) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"checks": {**WELL.checks, "worker": "none"}, "workers": []}, "No worker is alive"),
        ({"checks": {**WELL.checks, "broker": "does not answer"}}, "Redis does not answer"),
        ({"checks": {**WELL.checks, "models": "tag has no usable model"}}, "tag has no usable model"),
        ({"workers": [ALIVE, SILENT]}, "The worker w2 has been silent for 5 minutes"),
        (
            {"queues": waiting("bulk", 400.0), "minutes": QUIET},
            "Nothing has been finished for 5 minutes, and 100 items",
        ),
        ({"queues": waiting("interactive", 90.0)}, "Work on images at interactive priority has waited for 90 s"),
        ({"queues": waiting("bulk", 7200.0)}, "Work on images at bulk priority has waited for 2 h"),
        ({"webhooks_late_s": 600.0}, "Webhooks are 10 minutes late"),
        ({"disk_free": 1_000_000_000}, "The disk is nearly full: 1.0 GB"),
        ({"disk_free": 40_000_000, "disk_total": 1_000_000_000}, "The disk is nearly full: 40 MB"),
        ({"disk_free": None}, "cannot be looked at"),
    ],
)
def test_each_fault_is_said_with_what_to_do(wrong: dict[str, Any], said: str) -> None:
    (alarm,) = system_alarms(replace(WELL, **wrong))
    assert said in alarm.what.replace("2 minutes", "90 s").replace("90 seconds", "90 s")
    assert alarm.do


def test_counters_of_several_processes_add_up() -> None:
    """Fails if a second process with the same metrics is taken for the beginning of another, or is left out."""
    one = (
        b"# HELP tagline_item_errors_total Failed items.\n# TYPE tagline_item_errors_total counter\n"
        b'tagline_item_errors_total{code="fetch_timeout"} 3.0\n'
        b'tagline_stage_seconds_count{stage="fetch"} 4.0\ntagline_stage_seconds_sum{stage="fetch"} 2.0\n'
        b'tagline_infer_seconds_count{model="a@1"} 0.0\ntagline_infer_seconds_sum{model="a@1"} 0.0\n'
    )
    shown = measured(one + b'tagline_metrics_peer_up{peer="127.0.0.1:9"} 0.0\n' + one)
    assert shown.failures == [("fetch_timeout", 6)]
    assert shown.stages == {"fetch": (8, 0.5)}
    assert shown.models == {}
    assert shown.silent == ["127.0.0.1:9"]


def test_of_several_workers_the_busiest_is_shown() -> None:
    shares = b"".join(
        b'tagline_busy_share{model="",stage="decode"} %.1f\ntagline_busy_share{model="a@1",stage="infer"} 1.0\n' % share
        for share in (0.2, 0.9, 0.4)
    )
    assert measured(shares).busy == {"decode": 0.9, "a@1": 1.0}


@pytest.mark.parametrize(
    ("typed", "low", "high"),
    [
        ("01a2", "01a20000-0000-0000-0000-000000000000", "01a2ffff-ffff-ffff-ffff-ffffffffffff"),
        ("01A21846-20", "01a21846-2000-0000-0000-000000000000", "01a21846-20ff-ffff-ffff-ffffffffffff"),
        (f" http://h/v1/jobs/{WHOLE}/events ", WHOLE, WHOLE),
    ],
)  # fmt: skip
def test_what_is_typed_means_a_range_of_ids(typed: str, low: str, high: str) -> None:
    assert id_range(typed) == (low, high)


@pytest.mark.parametrize("typed", ["", " ", "cat", "01a2g", "-", "0" * 33, "' OR 1=1"])
def test_what_no_id_looks_like_means_none(typed: str) -> None:
    assert id_range(typed) is None
