"""A key or a secret that is changed in the settings: what replaces what, for whom and how soon."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask
from prometheus_client import CollectorRegistry
from sqlalchemy import select, update
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from cli.main import main
from cli.stack.prepare import prepare
from cli.stack.prepared import Prepared
from core.outbound.http.client import HttpClient
from core.outbound.signing import new_secret
from core.settings import Settings
from db import keys
from db.engine import Database
from db.environment_key import REPLACED
from db.key_admin import add_key, list_keys, revoke_key
from db.store import store_results
from db.tables import PreviousSecret, Tenant
from scheduler.metrics import SchedulerMetrics
from scheduler.webhooks import WebhookSender
from tests.support.api import Caller
from tests.support.jobs import make_job, must_claim, successes
from tests.support.receiver import Receiver, webhook_receiver
from tests.support.waiting import until

A, B, C = new_secret(), new_secret(), new_secret()


def start(database_url: str, tmp_path: Path, **settings: object) -> Prepared:
    """What `tagline migrate` and `tagline up` do at their start."""
    return prepare(Settings(database_url=database_url, data_dir=tmp_path, **settings))  # type: ignore[arg-type]


def good(database: Database, key: str) -> bool:
    with database.read() as session:
        return keys.authenticate(session, key) is not None


def names(database: Database) -> list[tuple[str, bool]]:
    with database.read() as session:
        return [(row.name, row.revoked_at is None) for row in list_keys(session)]


def test_a_key_that_is_changed_in_the_environment_is_revoked(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    assert start(database_url, tmp_path, api_key="one") == Prepared()
    with database.write() as session:
        others = [add_key(session, "default", "by hand", new_secret()), add_key(session, "shop", "", new_secret())]
    assert start(database_url, tmp_path, api_key="one") == Prepared()
    told = start(database_url, tmp_path, api_key="two")
    assert told.news == ["TAGLINE_API_KEY has changed: the key that it held before is revoked"]
    assert (good(database, "one"), good(database, "two")) == (False, True)
    assert all(good(database, other) for other in others)
    assert (REPLACED, False) in names(database)
    assert ("TAGLINE_API_KEY", True) in names(database)
    assert start(database_url, tmp_path) == Prepared(), "a start without the variable changes nothing"
    assert good(database, "two")
    start(database_url, tmp_path, api_key="one")
    assert (good(database, "one"), good(database, "two")) == (True, False), "back again"


def test_a_key_that_was_revoked_by_hand_stays_so(database: Database, database_url: str, tmp_path: Path) -> None:
    start(database_url, tmp_path, api_key="leaked")
    with database.write() as session:
        assert revoke_key(session, keys.hash_key("leaked")[:12]) == 1
    assert start(database_url, tmp_path, api_key="leaked").news == [
        "the key in TAGLINE_API_KEY was revoked and stays so; write another"
    ]
    assert not good(database, "leaked")
    start(database_url, tmp_path, api_key="fresh")
    assert start(database_url, tmp_path, api_key="leaked").news
    assert (good(database, "leaked"), good(database, "fresh")) == (False, True), "and costs nobody the one that works"


def test_the_name_of_the_environments_key_is_taken(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAGLINE_DATABASE_URL", database_url)
    done = CliRunner().invoke(main, ["keys", "create", "--name", "TAGLINE_API_KEY"])
    assert done.exit_code == 2
    assert "choose another" in done.stderr


# Webhooks


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with webhook_receiver() as opened:
        yield opened


@pytest.fixture
def sender(database: Database, receiver: Receiver) -> Iterator[WebhookSender]:
    settings = Settings(allow_hosts=(receiver.host,))
    http = HttpClient(settings)
    yield WebhookSender(database, http, settings, SchedulerMetrics(CollectorRegistry()))
    http.close()


def signers(database: Database, sender: WebhookSender, receiver: Receiver, tenant: str, **job: str) -> set[str]:
    """Which of the secrets a receiver can verify the next webhook of a tenant with."""
    make_job(database, tenant, items=1, webhook_url=receiver.url, **job)
    mine = must_claim(database)
    with database.write() as session:
        store_results(session, mine, successes(mine))
    before = len(receiver.received)
    until(lambda: sender.send_due() or len(receiver.received) > before, what="the webhook")
    [request] = receiver.received[before:]

    def verifies(secret: str) -> bool:
        try:
            Webhook(secret).verify(request.body, request.headers)
        except WebhookVerificationError:
            return False
        return True

    return {secret for secret in (A, B, C) if verifies(secret)}


def tenant_id(database: Database, name: str) -> str:
    with database.read() as session:
        return session.execute(select(Tenant.id).where(Tenant.name == name)).scalar_one()


def test_both_secrets_sign_until_the_old_one_has_had_its_time(
    database: Database, database_url: str, tmp_path: Path, sender: WebhookSender, receiver: Receiver
) -> None:
    start(database_url, tmp_path, webhook_secret=A)
    ours = tenant_id(database, "default")
    assert signers(database, sender, receiver, ours) == {A}
    [told] = start(database_url, tmp_path, webhook_secret=B).news
    assert "the old one signs, too, until" in told
    assert signers(database, sender, receiver, ours) == {A, B}
    assert start(database_url, tmp_path, webhook_secret=B).news == []
    assert start(database_url, tmp_path).news == [], "without the variable it stays as it is"
    start(database_url, tmp_path, webhook_secret=C)
    assert signers(database, sender, receiver, ours) == {A, B, C}
    start(database_url, tmp_path, webhook_secret=A)
    assert signers(database, sender, receiver, ours) == {A, B, C}
    with database.write() as session:
        session.execute(update(PreviousSecret).values(signs_until=1))
    assert signers(database, sender, receiver, ours) == {A}
    start(database_url, tmp_path, webhook_secret=A)
    start(database_url, tmp_path, webhook_secret=B, webhook_secret_overlap_hours=0)
    assert signers(database, sender, receiver, ours) == {B}
    with database.read() as session:
        assert session.scalars(select(PreviousSecret.secret)).all() == [], "what has had its time is not kept"


def test_it_is_the_first_tenants_secret_and_no_other(
    database: Database, database_url: str, tmp_path: Path, sender: WebhookSender, receiver: Receiver
) -> None:
    start(database_url, tmp_path, webhook_secret=A)
    with database.write() as session:
        shop = keys.create_tenant(session, "shop", C)
    start(database_url, tmp_path, webhook_secret=B)
    assert signers(database, sender, receiver, shop) == {C}
    assert signers(database, sender, receiver, tenant_id(database, "default"), webhook_secret=C) == {C}, "a job's own"


def test_a_stored_secret_that_is_none_is_replaced_without_an_overlap(
    database: Database, database_url: str, tmp_path: Path, sender: WebhookSender, receiver: Receiver
) -> None:
    with database.write() as session:
        ours = keys.create_tenant(session, "default", "hunter2")  # as earlier versions stored it
    [told] = start(database_url, tmp_path, webhook_secret=A).news
    assert "alone" in told
    assert signers(database, sender, receiver, ours) == {A}


def test_the_api_shows_the_present_one_and_until_when_the_other_signs(
    app: Flask, database: Database, database_url: str, tmp_path: Path
) -> None:
    start(database_url, tmp_path, api_key="k", webhook_secret=A)
    caller = Caller(app.test_client(), "k")
    assert caller.get("/v1/webhook-secret").json == {"secret": A, "previous_signs_until": None}
    start(database_url, tmp_path, webhook_secret=B, webhook_secret_overlap_hours=1)
    shown = caller.get("/v1/webhook-secret").json
    assert shown["secret"] == B
    assert shown["previous_signs_until"].endswith("Z")
    assert A not in str(shown)
