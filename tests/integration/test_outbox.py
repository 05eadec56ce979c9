"""The outbox: whose delivery goes next, whatever waits beside it; and webhooks that tell of other things than jobs."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.orm import Session

from core.outbound.http.client import HttpClient
from core.settings import Settings
from core.states import DeliveryState
from db import keys, outbox, upkeep
from db.due import choose_due
from db.engine import Database
from db.jobs import delete_job
from db.store import store_results
from db.tables import Delivery
from scheduler.metrics import SchedulerMetrics
from scheduler.webhooks import WebhookSender
from tests.support.api import Caller
from tests.support.jobs import make_job, must_claim, successes
from tests.support.races import Race
from tests.support.receiver import Receiver, webhook_receiver
from tests.support.waiting import until
from tests.support.work import rows_looked_at

FUTURE = 2**50
Backlog = dict[str, list[int]]  # by host, when each delivery became due


def _fill(session: Session, tenant: str, backlog: Backlog, **more: Any) -> None:
    rows = [
        {
            "id": f"{host}-{number}", "tenant_id": tenant, "subject": "jobs/x", "url": f"http://{host}/", "host": host,
            "event": "job.completed", "body": "{}", "state": "pending", "next_attempt_at": due, "created_at": 1, **more,
        }
        for host, times in backlog.items()
        for number, due in enumerate(times)
    ]  # fmt: skip
    if rows:
        session.execute(insert(Delivery), rows)


def _taken(database: Database, tenant: str, backlog: Backlog, busy: dict[str, int], limit: int, per_host: int) -> Any:
    """(host, due) of what is chosen, in its order; nothing is kept."""
    with database.write() as session:
        _fill(session, tenant, backlog)
        chosen = choose_due(session, limit=limit, per_host=per_host, busy=busy)
        session.rollback()
    places = [one.rsplit("-", 1) for one in chosen]
    return [(host, backlog[host][int(number)]) for host, number in places]


def test_a_healthy_host_gets_its_turn_beside_eight_silent_ones(database: Database, tenant: str) -> None:
    silent = {f"silent{n}.example": list(range(1, 100)) for n in range(8)}
    taken = _taken(database, tenant, {**silent, "healthy.example": [5000, 4000]}, {}, limit=32, per_host=4)
    assert ("healthy.example", 4000) in taken
    assert len(taken) == 32


hosts = st.sampled_from([f"h{n}.example" for n in range(6)])
dues = st.lists(st.one_of(st.integers(1, 50), st.just(FUTURE)), max_size=7)


@pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    backlog=st.dictionaries(hosts, dues, max_size=6),
    busy=st.dictionaries(hosts, st.integers(1, 4), max_size=3),
    limit=st.integers(1, 12),
    per_host=st.integers(1, 4),
)
def test_places_are_given_fairly_and_none_stays_empty(
    database: Database, tenant: str, backlog: Backlog, busy: dict[str, int], limit: int, per_host: int
) -> None:
    taken = _taken(database, tenant, backlog, busy, limit, per_host)
    due = {host: sorted(at for at in times if at != FUTURE) for host, times in backlog.items()}
    got = Counter(host for host, _ in taken)
    room = {host: max(0, min(per_host - busy.get(host, 0), len(times))) for host, times in due.items()}
    assert len(taken) == min(limit, sum(room.values()))  # no place stays empty while something may go
    for host, number in got.items():
        assert number <= room[host]
        assert sorted(at for taker, at in taken if taker == host) == due[host][:number]  # the oldest first
    had = {host: busy.get(host, 0) + got[host] for host in due}
    for host in due:
        if got[host] < room[host]:  # it could have had more: then nobody had more than one place more
            assert all(had[other] <= had[host] + 1 for other in got)
    # Places go round; among hosts that have had as many, who has waited longest goes first.
    turns = [(busy.get(host, 0) + place, at) for host, times in due.items() for place, at in enumerate(times)]
    places = Counter(busy)
    order = []
    for host, at in taken:
        order.append((places[host], at))
        places[host] += 1
    assert order == sorted(turn for turn in turns if turn[0] < per_host)[:limit]


BACKLOG = {
    "postgresql": "SELECT 'x' || n, 'jobs/x', {tenant}, 'u', 'h' || (n % {hosts}), 'e', 'b', 'pending', n, 1 "
    "FROM generate_series(1, 100000) AS s (n)",
    "sqlite": "WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 100000) "
    "SELECT 'x' || n, 'jobs/x', {tenant}, 'u', 'h' || (n % {hosts}), 'e', 'b', 'pending', n, 1 FROM s",
}


@pytest.mark.parametrize("analysed", [False, True])
def test_a_hundred_thousand_due_deliveries_are_not_read_to_choose_some(
    database: Database, tenant: str, analysed: bool
) -> None:
    rows = BACKLOG[database.engine.dialect.name].format(tenant=f"'{tenant}'", hosts=9)
    columns = "id, subject, tenant_id, url, host, event, body, state, next_attempt_at, created_at"
    with database.write() as session:
        session.execute(text(f"INSERT INTO deliveries ({columns}) {rows}"))
    with database.write() as session:
        if analysed:
            session.execute(text("ANALYZE"))
    taken: list[outbox.Outgoing] = []

    def take(session: Session) -> None:
        busy = {"h1": 4, "h2": 3}
        taken.extend(outbox.take_due(session, limit=32, per_host=4, busy=busy, lease_ms=1))
        outbox.oldest_due_ms(session)

    assert rows_looked_at(database, take) < 2_000
    assert Counter(sent.host for sent in taken) == {"h2": 1, **{f"h{n}": 4 for n in (0, 3, 4, 5, 6, 7, 8)}}


@dataclass
class Receivers:
    """One that answers, eight that accept and say nothing, and who sends to them."""

    sender: WebhookSender
    healthy: Receiver
    silent: list[str]


@pytest.fixture
def receivers(database: Database) -> Iterator[Receivers]:
    with webhook_receiver() as healthy, ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(8)]
        silent = [f"127.0.0.1:{server.getsockname()[1]}" for server in servers]
        allowed = Settings(allow_hosts=(healthy.host, *silent), webhook_timeout_s=60)
        http = HttpClient(allowed)
        sender = WebhookSender(database, http, allowed, SchedulerMetrics(CollectorRegistry()))
        yield Receivers(sender, healthy, silent)
        http.close()


def test_receivers_that_never_answer_leave_places_for_others(
    receivers: Receivers, database: Database, tenant: str
) -> None:
    """Eight are silent for a minute. What comes later, for somebody else, is sent at once."""
    sender, healthy = receivers.sender, receivers.healthy
    with database.write() as session:
        _fill(session, tenant, {host: [1] * 20 for host in receivers.silent})
    sender.send_due()
    with database.write() as session:
        _fill(session, tenant, {healthy.host: [1]}, url=healthy.url)

    def delivered() -> bool:
        sender.send_due()
        with database.read() as session:
            done = select(func.count()).select_from(Delivery).where(Delivery.state == DeliveryState.DELIVERED)
            return session.scalars(done).one() == 1

    until(delivered, what="the healthy receiver's webhook")
    with database.read() as session:
        attempted = session.scalars(select(outbox.DeliveryAttempt.delivery_id)).all()
    assert attempted == [f"{healthy.host}-0"]


def test_a_webhook_may_tell_of_something_else_than_a_job(database: Database, tenant: str) -> None:
    message = outbox.Message(
        tenant_id=tenant, url="http://receiver.example/hook", event="run.completed", subject="libraries/7/runs/1",
        data={"id": "1"}, secret="whsec_own",
    )  # fmt: skip
    with database.write() as session:
        made = outbox.enqueue(session, message)
    with database.write() as session:
        [sent] = outbox.take_due(session, limit=9, per_host=4, busy={}, lease_ms=60_000)
        assert (sent.id, sent.job_id, sent.secret, sent.host) == (made, None, "whsec_own", "receiver.example")
        told = json.loads(sent.body)
        assert (told["type"], told["data"]) == ("run.completed", {"id": "1"})
        assert outbox.record_attempt(session, sent, outbox.Attempt(500, 0.1), state=DeliveryState.FAILED)
    with database.write() as session:
        again = outbox.redeliver(session, tenant, made)
        assert (again["subject"], again["state"], again["job_id"]) == ("libraries/7/runs/1", "pending", None)
        assert [attempt["status"] for attempt in again["attempts"]] == [500]


def test_a_delivery_that_goes_with_its_job_while_it_is_sent_is_no_error(database: Database, tenant: str) -> None:
    """Removing the job's rows races writing down the attempt, before each statement of either."""
    race = Race(database)
    try:
        for first, second in (("purge", "record"), ("record", "purge")):
            for step in range(1, 13):
                job = make_job(database, tenant, items=1, webhook_url="http://receiver.example/hook")
                mine = must_claim(database)
                with database.write() as session:
                    store_results(session, mine, successes(mine))
                    [sent] = outbox.take_due(session, limit=1, per_host=1, busy={}, lease_ms=1)
                    delete_job(session, tenant, job)
                acts: dict[str, Any] = {
                    "purge": _purge_all,
                    "record": lambda s, sent=sent: outbox.record_attempt(
                        s, sent, outbox.Attempt(200, 0.1), state=DeliveryState.DELIVERED
                    ),
                }
                reached, raised = race.run(acts[first], acts[second], step)
                assert raised == []
                with database.write() as session:
                    _purge_all(session)
                    assert session.scalars(select(func.count()).select_from(Delivery)).one() == 0
                if not reached:
                    break
    finally:
        race.close()


def test_webhooks_without_a_job_go_when_they_are_old(database: Database, tenant: str) -> None:
    make_job(database, tenant, items=1, webhook_url="http://r.example/")
    mine = must_claim(database)
    with database.write() as session:
        store_results(session, mine, successes(mine))
        message = outbox.Message(tenant_id=tenant, url="http://r.example/", event="e", subject="x", data={})
        old, new = outbox.enqueue(session, message), outbox.enqueue(session, message)
        [sent, *_] = outbox.take_due(session, limit=1, per_host=9, busy={}, lease_ms=1)
        session.execute(update(Delivery).where(Delivery.id != new).values(created_at=1))
        outbox.record_attempt(session, sent, outbox.Attempt(500, 0.1), state=DeliveryState.FAILED)
    with database.write() as session:
        assert upkeep.purge_deliveries(session, retention_days=90) == 1
        left = set(session.scalars(select(Delivery.id)))
    assert old not in left  # the job's own stays as long as the job
    assert new in left
    assert len(left) == 2


def _purge_all(session: Session) -> None:
    while upkeep.purge(session):
        pass


def test_webhooks_of_all_jobs_are_listed_by_state_and_paged(acme: Caller, rival: Caller, database: Database) -> None:
    mine, other = _tenant_of(acme, database), _tenant_of(rival, database)
    with database.write() as session:
        ids = [
            outbox.enqueue(
                session, outbox.Message(tenant_id=mine, url="http://r.example/", event="e", subject="x", data={})
            )
            for _ in range(5)
        ]
        outbox.enqueue(
            session, outbox.Message(tenant_id=other, url="http://r.example/", event="e", subject="x", data={})
        )
        session.execute(update(Delivery).where(Delivery.id == ids[1]).values(state=DeliveryState.FAILED))
    newest_first = sorted(ids, reverse=True)
    first = acme.get("/v1/deliveries?limit=3").json
    rest = acme.get(f"/v1/deliveries?limit=3&cursor={first['next_cursor']}").json
    assert [d["id"] for d in first["data"] + rest["data"]] == newest_first
    assert rest["next_cursor"] is None
    assert [d["id"] for d in acme.get("/v1/deliveries?state=failed").json["data"]] == [ids[1]]
    assert acme.get("/v1/deliveries?state=lost").json["code"] == "parameter_invalid"
    assert acme.get("/v1/deliveries?cursor=x").json["code"] == "cursor_invalid"
    assert len(rival.get("/v1/deliveries").json["data"]) == 1


def _tenant_of(caller: Caller, database: Database) -> str:
    with database.read() as session:
        found = keys.authenticate(session, caller.key)
    assert found is not None
    return found.tenant_id
