"""A prefix among a job's inputs: listed while its first chunks run, each photo once, whoever dies in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from api.v1.views import job_view
from cli.demo.local_s3 import LocalS3, local_s3
from core.errors import LeaseLost
from core.inputs import InputItem, ItemResult, PrefixState, cut_chunks
from core.outbound.s3.store import S3Store
from core.settings import Settings, load_settings
from core.states import JobState, Priority
from db import job_listings
from db.claims import Claim, claim_chunk
from db.engine import Database
from db.jobs import cancel_job, create_job, find_job, retry_job
from db.reap import reap_leases
from db.results import stream_results
from db.store import store_results
from db.tables import Job
from db.upkeep import write_cancelled
from jobs.plan import JobPlan
from libraries.listing import s3_prefix
from tests.support.api import Caller
from worker.chunk import prefixes
from worker.chunk.prefixes import expand_prefix, is_prefix

KEYS = [f"{number:02}.jpg" for number in range(10)]
URL = "https://photos.example/a.jpg"


@pytest.fixture(scope="module")
def s3_server() -> Iterator[LocalS3]:
    with local_s3(buckets=("photos",)) as running:
        yield running


@pytest.fixture
def settings(s3_server: LocalS3, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    return load_settings(chunk_size=4)


@pytest.fixture(scope="module")
def filled(s3_server: LocalS3) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3_server.environment().items():
            patch.setenv(name, value)
        store = S3Store(load_settings())
        for key in (*KEYS, "notes.txt", "sub/"):
            store.put("photos", f"album/{key}", b"")


@pytest.fixture
def paged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of three objects, as if S3 gave no more at once."""
    real = S3Store.pages

    def pages(self: S3Store, bucket: str, prefix: str, after: str = "") -> Iterator[list[object]]:
        for page in real(self, bucket, prefix, after):
            yield from ([*page[at : at + 3]] for at in range(0, len(page), 3))

    monkeypatch.setattr(S3Store, "pages", pages)


def make(database: Database, tenant: str, *inputs: tuple[str, str], priority: Priority | None = None) -> str:
    plan = JobPlan(tenant_id=tenant, tasks=("classify",), priority=priority)
    items = [InputItem(seq, f"mine-{seq}", kind, ref) for seq, (kind, ref) in enumerate(inputs)]  # type: ignore[arg-type]
    with database.write() as session:
        create_job(session, plan.row(99), cut_chunks(items, 4), ttl_hours=1)
    return plan.id


def claim(database: Database) -> Claim | None:
    with database.write() as session:
        return claim_chunk(session, queue="image", worker="w", lease_ms=60_000)


def job_of(database: Database, tenant: str, job_id: str) -> Job:
    with database.read() as session:
        return find_job(session, tenant, job_id)


def run_all(database: Database, settings: Settings) -> list[InputItem]:
    """Do what a worker does until nothing waits; every photo succeeds. Returns the photos that were run."""
    ran: list[InputItem] = []
    while (claimed := claim(database)) is not None:
        if is_prefix(claimed):
            expand_prefix(database, settings, claimed, lambda: False)
        else:
            ran += claimed.items
            with database.write() as session:
                store_results(session, claimed, [ItemResult(item, outputs={}) for item in claimed.items])
    return ran


def rows_of(database: Database, job_id: str) -> list[tuple[int, str, str, dict[str, str], str | None]]:
    rows = stream_results(database, job_id)
    return [(r["seq"], r["id"], r["state"], r["input"], (r["error"] or {}).get("code")) for r in rows]


@pytest.mark.usefixtures("filled", "paged")
def test_a_prefix_becomes_its_photos_while_the_first_run(database: Database, tenant: str, settings: Settings) -> None:
    """Fails if the job ends before its prefix does, or counts what is no photo."""
    job_id = make(database, tenant, ("url", URL), ("s3_prefix", "s3://photos/album/"), ("url", URL + "?2"))
    assert job_of(database, tenant, job_id).total == 2
    totals, ran = [], []
    pages = count(1)
    while (claimed := claim(database)) is not None:
        if is_prefix(claimed):  # one page, then somebody else's turn
            expand_prefix(database, settings, claimed, lambda: next(pages) < 99)
        else:
            ran += [item.ref for item in claimed.items]
            with database.write() as session:
                store_results(session, claimed, [ItemResult(item, outputs={}) for item in claimed.items])
        job = job_of(database, tenant, job_id)
        totals.append(job.total)
        view = job_view(job, "")
        if job.listings:
            assert job.state == JobState.RUNNING
            assert view["progress"] < 1
            assert view["eta_seconds"] is None
    assert totals == sorted(totals)
    assert len(set(totals)) > 3
    job = job_of(database, tenant, job_id)
    assert (job.state, job.total, job.succeeded, job.listings) == (JobState.COMPLETED, 12, 12, 0)
    assert sorted(ran) == sorted([URL, URL + "?2", *(f"s3://photos/album/{key}" for key in KEYS)])
    rows = rows_of(database, job_id)
    assert [row[0] for row in rows] == [0, 2, *range(3, 13)]
    assert [row[1] for row in rows[:2]] == ["mine-0", "mine-2"]
    assert [row[3]["s3"] for row in rows[2:]] == [f"s3://photos/album/{key}" for key in KEYS]


class Killed(BaseException):
    """What kill -9 leaves of a worker: nothing is caught, nothing is tidied up."""


def dying_after(pages: int) -> Callable[..., None]:
    """Stores so many pages, and no more."""
    stored = count()

    def store(*args: Any, **more: Any) -> None:
        if next(stored) == pages:
            raise Killed
        job_listings.store_page(*args, **more)

    return store


@pytest.mark.usefixtures("filled", "paged")
def test_workers_that_die_between_pages_cost_nothing(
    database: Database, tenant: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if a photo is missing or there twice afterwards, or one that was believed dead can store anything."""
    job_id = make(database, tenant, ("s3_prefix", "s3://photos/album/"))
    for pages in (0, 1, 0, 1, 1):
        claimed = claim(database)
        assert claimed is not None
        assert is_prefix(claimed)  # before the photos that were found
        monkeypatch.setattr(prefixes, "store_page", dying_after(pages))
        with pytest.raises(Killed):
            expand_prefix(database, settings, claimed, lambda: False)
        with database.write() as session:
            assert reap_leases(session, max_attempts=3, worker="w") == [claimed.chunk_id]
        state = PrefixState("s3://x/")
        with pytest.raises(LeaseLost), database.write() as session:
            job_listings.store_page(session, claimed, [("s3", "s3://x/y")], state, chunk_size=4, most=99)
        with pytest.raises(LeaseLost), database.write() as session:
            job_listings.end_listing(session, claimed, state, None)
    monkeypatch.setattr(prefixes, "store_page", job_listings.store_page)
    ran = run_all(database, settings)
    job = job_of(database, tenant, job_id)
    assert (job.state, job.total, job.succeeded) == (JobState.COMPLETED, 10, 10)
    assert sorted(item.ref for item in ran) == [f"s3://photos/album/{key}" for key in KEYS]
    assert sorted(item.seq for item in ran) == list(range(1, 11))


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("prefix", "code"),
    [("s3://photos/nothing/", "s3_prefix_empty"), ("s3://no-such-bucket/", "s3_not_found")],
)
def test_a_prefix_that_gives_nothing_is_an_input_that_failed(
    database: Database, tenant: str, settings: Settings, prefix: str, code: str
) -> None:
    job_id = make(database, tenant, ("s3_prefix", prefix), ("url", URL))
    assert len(run_all(database, settings)) == 1
    job = job_of(database, tenant, job_id)
    assert (job.state, job.total, job.succeeded, job.failed) == (JobState.COMPLETED, 2, 1, 1)
    assert rows_of(database, job_id)[0] == (0, "mine-0", "failed", {"s3_prefix": prefix}, code)


@pytest.mark.usefixtures("filled", "paged")
def test_a_retry_goes_on_behind_the_last_page(
    database: Database, tenant: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if a listing that broke off is begun again, so that its photos are there twice."""
    real = s3_prefix.S3PrefixListing._pages

    def broken(self: s3_prefix.S3PrefixListing, *args: str) -> Iterator[object]:
        pages = real(self, *args)
        yield next(pages)
        yield next(pages)
        raise s3_prefix.SourceFailed("s3_unavailable", "S3 is busy", permanent=False)

    monkeypatch.setattr(s3_prefix.S3PrefixListing, "_pages", broken)
    job_id = make(database, tenant, ("s3_prefix", "s3://photos/album/"))
    assert len(run_all(database, settings)) == 6
    job = job_of(database, tenant, job_id)
    assert (job.state, job.total, job.succeeded, job.failed) == (JobState.COMPLETED, 7, 6, 1)
    assert rows_of(database, job_id)[0][3:] == (
        {"s3_prefix": "s3://photos/album/", "after": "05.jpg"},
        "s3_unavailable",
    )
    monkeypatch.setattr(s3_prefix.S3PrefixListing, "_pages", real)
    with database.write() as session:
        job = retry_job(session, tenant, job_id, chunk_size=4, ttl_hours=1)
        assert (job.total, job.failed, job.listings) == (6, 0, 1)
    assert len(run_all(database, settings)) == 4
    job = job_of(database, tenant, job_id)
    assert (job.state, job.total, job.succeeded, job.failed) == (JobState.COMPLETED, 10, 10, 0)
    assert [row[3]["s3"] for row in rows_of(database, job_id)] == [f"s3://photos/album/{key}" for key in KEYS]


@pytest.mark.usefixtures("filled", "paged")
def test_a_job_that_is_cancelled_lists_no_more(database: Database, tenant: str, settings: Settings) -> None:
    job_id = make(database, tenant, ("s3_prefix", "s3://photos/album/"))
    claimed = claim(database)
    assert claimed is not None
    expand_prefix(database, settings, claimed, lambda: True)
    again = claim(database)
    assert again is not None
    assert is_prefix(again)
    with database.write() as session:
        job = cancel_job(session, tenant, job_id)
        assert (job.state, job.total, job.cancelled, job.listings) == (JobState.CANCELLED, 3, 3, 0)
    expand_prefix(database, settings, again, lambda: False)
    with database.write() as session:
        while write_cancelled(session):
            pass
    assert [row[2:4] for row in rows_of(database, job_id)] == [
        ("cancelled", {"s3": f"s3://photos/album/{key}"}) for key in KEYS[:3]
    ]
    assert claim(database) is None


@pytest.mark.usefixtures("filled", "paged")
@pytest.mark.parametrize(
    ("priority", "code"), [(Priority.BULK, "too_many_inputs"), (Priority.INTERACTIVE, "interactive_too_large")]
)
def test_a_prefix_has_no_more_photos_than_a_job_may(
    database: Database, tenant: str, settings: Settings, priority: Priority, code: str
) -> None:
    """What was found before runs."""
    name = "max_inputs" if priority == Priority.BULK else "interactive_max_inputs"
    job_id = make(database, tenant, ("s3_prefix", "s3://photos/album/"), priority=priority)
    with database.write() as session:
        find_job(session, tenant, job_id).priority = priority
    few = settings.model_copy(update={name: 8})
    claimed = claim(database)
    assert claimed is not None
    expand_prefix(database, few, replace(claimed, priority=priority), lambda: False)
    run_all(database, few)
    rows = rows_of(database, job_id)
    assert rows[0][4] == code
    assert len(rows) == 7
    assert job_of(database, tenant, job_id).state == JobState.COMPLETED


def test_the_api_takes_prefixes_in_every_form(acme: Caller, database: Database) -> None:
    job = acme.submit([{"id": "all", "s3_prefix": " s3://album/2024/ "}])
    assert (job["priority"], job["counts"]["total"], job["progress"], job["state"]) == ("bulk", 0, 0.0, "queued")
    claimed = claim(database)
    assert claimed is not None
    assert (claimed.items[0].id, claimed.items[0].ref) == ("all", "s3://album/2024/")
    for body, media_type in (
        (b'{"s3_prefix": "s3://album"}\n', "application/x-ndjson"),
        (b"s3_prefix\ns3://album\n", "text/csv"),
    ):
        answer = acme.stream(body, media_type)
        assert answer.status_code == 202, answer.text
        claimed = claim(database)
        assert claimed is not None
        assert is_prefix(claimed)
    answer = acme.send("POST", f"/v1/jobs/{job['id']}/cancel")
    assert (answer.json["state"], answer.json["counts"]["total"]) == ("cancelled", 0)
