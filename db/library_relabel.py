"""Labels anew from stored embeddings: what is to be done, and what came of it, a slice at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from core.states import RunStage
from db.clock import current_ms
from db.ledger import describe_recipes, embedding_recipe, find_spec, recipes_of, write_entries
from db.ledger_tables import LedgerEntry, Recipe
from db.library_runs import RunClaim, enter_stage, hold, run_numbered
from db.library_tables import Library, LibraryChange, LibraryPhoto, LibraryRun
from db.output_code import Decoded, decode, pack_numbers
from db.photo_labels import LabelDiff
from db.photo_outputs import Told, told_of


@dataclass(frozen=True, slots=True)
class RelabelPlan:
    """What a run labels with: the recipe of `tag`, its model and options, and where the model's embeddings are."""

    dry_run: bool
    writes: bool
    spec: int
    recipe: int
    embeddings: int
    model: str
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Embedded:
    """A photo that is due.

    Attributes:
        sha256, spec: what its outputs are of, and were made with.
        outputs: by task, those that it shows.
        told: what people said of it.
        embedding: float16.
    """

    change: int
    photo: int
    sha256: bytes
    spec: int
    outputs: dict[str, Decoded]
    told: Told
    embedding: bytes


@dataclass(frozen=True, slots=True)
class Relabelled:
    """What came of a photo: the body of its new output, and what that does to its labels."""

    embedded: Embedded
    body: bytes
    diff: LabelDiff
    caption: str | None


def relabel_plan(session: Session, claim: RunClaim) -> RelabelPlan | None:
    """What a run labels with; None if it is without `tag`."""
    run = session.get_one(LibraryRun, claim.number)
    library = session.get_one(Library, claim.library)
    assert run.spec is not None
    recipes = recipes_of(session, [run.spec])[run.spec]
    tag = session.scalars(select(Recipe).where(Recipe.id.in_(recipes), Recipe.task == "tag")).one_or_none()
    if tag is None:
        return None
    return RelabelPlan(
        run.dry_run, library.write != "none" and not run.dry_run, run.spec, tag.id,
        embedding_recipe(session, run.tenant_id, tag.model), tag.model, tag.options,
    )  # fmt: skip


def due_slice(session: Session, claim: RunClaim, plan: RelabelPlan, most: int) -> tuple[list[Embedded], list[int]]:
    """The next photos that are due, and the changes of those that cannot be labelled for want of an embedding."""
    photo, change, entry = LibraryPhoto, LibraryChange, LedgerEntry
    due = select(change.id, change.photo).where(change.run == claim.number, change.state == "due")
    some = due.order_by(change.id).limit(most).subquery()
    shows = func.coalesce(photo.shown, photo.sha256)
    rows = session.execute(
        select(
            some.c.id, photo.id.label("photo"), shows.label("sha256"), photo.spec, photo.added, photo.removed,
            photo.caption, entry.recipe, entry.body,
        )
        .select_from(some)
        .join(photo, photo.id == some.c.photo)
        .outerjoin(entry, entry.sha256 == shows)
        .order_by(some.c.id)
    ).all()  # fmt: skip
    entries: dict[int, dict[int, bytes]] = {}
    for row in rows:
        found = entries.setdefault(row.id, {})
        if row.recipe is not None:
            found[row.recipe] = bytes(row.body)
    recipes = recipes_of(session, {row.spec for row in rows if row.spec is not None})
    tasks = describe_recipes(session, {recipe for some_of in recipes.values() for recipe in some_of})
    one = {row.id: row for row in rows}
    without = [number for number in entries if plan.embeddings not in entries[number] or one[number].spec is None]
    lost = set(session.scalars(select(some.c.id))) - entries.keys()  # forgotten meanwhile
    return [
        Embedded(
            number, row.photo, bytes(row.sha256), row.spec,
            {
                tasks[recipe][0]: decode(entries[number][recipe])
                for recipe in recipes[row.spec]
                if recipe in entries[number]
            },
            told_of(row.added, row.removed, row.caption), entries[number][plan.embeddings],
        )
        for number, row in one.items()
        if number not in set(without)
    ], [*without, *lost]  # fmt: skip


def store_relabelled(
    session: Session, claim: RunClaim, plan: RelabelPlan, done: Sequence[Relabelled], left: Sequence[int]
) -> None:
    """Store what came of a slice.

    Raises:
        LeaseLost: the run is no longer ours; nothing was stored.
    """
    hold(session, claim, attempts=1)
    if left:
        session.execute(update(LibraryChange).where(LibraryChange.id.in_(left)).values(state="left"))
    if not done:
        return
    targets = _targets(session, claim.tenant_id, plan, {one.embedded.spec for one in done})
    if not plan.dry_run:
        write_entries(session, {(one.embedded.sha256, plan.recipe): one.body for one in done})
        now = current_ms(session)
        for spec, target in targets.items():
            photos = [one.embedded.photo for one in done if one.embedded.spec == spec]
            session.execute(
                update(LibraryPhoto)
                .where(LibraryPhoto.id.in_(photos))
                .values(
                    spec=target, run=claim.number, updated_at=now,
                    unsaved=LibraryPhoto.unsaved | plan.writes,
                )
                .execution_options(synchronize_session=False)
            )  # fmt: skip
    _note_changes(session, done, targets)


def _note_changes(session: Session, done: Sequence[Relabelled], targets: Mapping[int, int]) -> None:
    table = LibraryChange.__table__
    names = ("added", "removed", "kept", "before_sha256", "before_spec", "after_spec", "caption")
    new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
    values = {name: new[name] for name in names if name != "caption"}
    values |= {"after_sha256": new["before_sha256"], "caption_before": new["caption"], "caption_after": new["caption"]}
    rows = [
        {
            "number": one.embedded.change,
            "new_added": pack_numbers(one.diff.added),
            "new_removed": pack_numbers(one.diff.removed),
            "new_kept": pack_numbers(one.diff.kept),
            "new_before_sha256": one.embedded.sha256,
            "new_before_spec": one.embedded.spec,
            "new_after_spec": targets[one.embedded.spec],
            "new_caption": one.caption,
        }
        for one in done
    ]
    session.connection().execute(
        update(table)  # type: ignore[arg-type]
        .where(table.c.id == bindparam("number"))
        .values(state="done", outcome="succeeded", done_by="embedding", **values),
        rows,
    )


def _targets(session: Session, tenant_id: str, plan: RelabelPlan, specs: set[int]) -> dict[int, int]:
    """What photos of each spec are made with afterwards: the tags anew, and everything else as it is, as far as it is
    still asked for."""
    made_with = recipes_of(session, {*specs, plan.spec})
    tasks = describe_recipes(session, {recipe for some in made_with.values() for recipe in some})
    wanted = {tasks[recipe][0] for recipe in made_with[plan.spec]}
    targets = {}
    for spec in specs:
        kept = [recipe for recipe in made_with[spec] if tasks[recipe][0] in wanted and tasks[recipe][0] != "tag"]
        targets[spec] = find_spec(session, tenant_id, [*kept, plan.recipe])
    return targets


def end_relabel(session: Session, claim: RunClaim) -> None:
    """Let the run go on once nothing is due."""
    hold(session, claim)
    run = run_numbered(session, claim.number)
    assert run is not None
    library = session.get_one(Library, claim.library)
    enter_stage(run, RunStage.SIDECARS if library.write != "none" and not run.dry_run else RunStage.CLOSE)
