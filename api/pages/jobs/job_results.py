"""Results of a job on its page: a place for each item, filled when it is done, so that nothing moves."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from api.pages.frame.thumbnail_links import thumbnail_links
from api.pages.jobs.job_shown import ShownJob
from core.states import ItemState
from db.engine import Session
from db.results import Row, page_results, some_results

PER_PAGE = {"photo": 24, "text": 50}


@dataclass(frozen=True, slots=True)
class Place:
    """An item's place on the page.

    Attributes:
        seq: its number in the job, from 0.
        row: its result; None if it is not done.
        title: what it is called: the client's id, or what is left of its address.
        picture: where its thumbnail is; None if there is none.
    """

    seq: int
    row: Row | None = None
    title: str = ""
    picture: str | None = None

    @property
    def text(self) -> str:
        """The text that was judged."""
        return str(self.row["input"].get("text", "")) if self.row else ""


@dataclass(frozen=True, slots=True)
class ResultsPage:
    """A page of places, and where the ones beside it begin (None: there is none)."""

    places: Sequence[Place]
    first: int
    previous: int | None
    following: int | None
    behind: int = 0  # the page already shows what comes before this number

    @property
    def end(self) -> int:
        """The number behind the last of them."""
        return max(self.behind, self.places[-1].seq + 1 if self.places else self.first)

    @property
    def open(self) -> list[int]:
        """The numbers of those that are not done."""
        return [place.seq for place in self.places if place.row is None]


def results_page(session: Session, tenant_id: str, job: ShownJob, first: int, state: str | None) -> ResultsPage:
    """The page that begins with the item `first`; of one state only, or of all, those to come included."""
    most, job_id = PER_PAGE[job.noun], job.view["id"]
    rows = page_results(session, job_id, after=first - 1, limit=most + 1, state=state)
    if state is not None or job.finished:
        shown = filled(session, tenant_id, rows[:most])
        following = rows[most]["seq"] if len(rows) > most else None
    else:
        end = min(first + most, job.places)
        done = {place.seq: place for place in filled(session, tenant_id, [row for row in rows if row["seq"] < end])}
        shown = [done.get(seq) or Place(seq) for seq in range(first, end)]
        following = end if end < job.places else None
    return ResultsPage(shown, first, max(0, first - most) if first else None, following)


def places_found(session: Session, tenant_id: str, job: ShownJob, first: int, end: int) -> ResultsPage:
    """What belongs on the page that begins with `first`, behind the number `end`: a listing has found more items."""
    until = max(end, min(first + PER_PAGE[job.noun], job.places))
    seqs = range(end, until)
    done = {place.seq: place for place in places_done(session, tenant_id, job.view["id"], seqs)}
    places = [done.get(seq) or Place(seq) for seq in seqs]
    return ResultsPage(
        places, first, max(0, first - PER_PAGE[job.noun]) if first else None, until if until < job.places else None, end
    )


def places_done(session: Session, tenant_id: str, job_id: str, seqs: Collection[int]) -> list[Place]:
    """Those of these places that are filled by now."""
    return filled(session, tenant_id, some_results(session, job_id, seqs)) if seqs else []


def filled(session: Session, tenant_id: str, rows: Sequence[Row]) -> list[Place]:
    """Places with these results."""
    media = [row["media"] for row in rows if row["media"] and row["state"] == ItemState.SUCCEEDED]
    links = thumbnail_links(session, tenant_id, {one["sha256"] for one in media if "sha256" in one})
    return [Place(row["seq"], row, title_of(row), links.get((row["media"] or {}).get("sha256", ""))) for row in rows]


def title_of(row: Row) -> str:
    """What a person would call an item: its id if the client gave one, else the end of its address."""
    item_id = str(row["id"])
    if item_id != str(row["seq"]):
        return item_id
    return input_name(row["input"])


def input_name(given: dict[str, Any]) -> str:
    """The last part of an address; of an upload nothing that says anything, so its kind."""
    kind, ref = next(((kind, str(ref)) for kind, ref in given.items() if kind != "after"), ("", ""))
    if kind in ("upload", "text"):
        return "" if kind == "text" else "Uploaded photo"
    return ref.split("?")[0].rstrip("/").rpartition("/")[2] or ref
