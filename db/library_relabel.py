"""Labels anew from stored embeddings: what is to be done, and what came of it, a slice at a time and by columns: a row
at a time would take longer than all the arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, literal, select, type_coerce, update
from sqlalchemy.orm import Session, aliased
from sqlalchemy.types import NullType

from core.states import RunStage
from db.bulk import update_rows
from db.clock import current_ms
from db.ledger import describe_recipes, embedding_recipe, find_spec, plain_model, recipes_of, write_entries
from db.ledger_tables import LedgerEntry, Recipe, Spec
from db.library_runs import RunClaim, enter_stage, hold, run_numbered
from db.library_tables import Library, LibraryChange, LibraryPhoto, LibraryRun
from db.output_code import decode
from db.photo_outputs import Told, told_of

_WITH_LABELS = "classify"  # beside `tag`, the task whose outputs have labels


@dataclass(frozen=True, slots=True)
class RelabelPlan:
    """What a run labels with: the recipe of `tag`, its model and options, and where the model's embeddings are.

    Attributes:
        recipes: by spec of the tenant's, the recipe of each task.
    """

    dry_run: bool
    writes: bool
    spec: int
    recipe: int
    embeddings: int
    model: str
    options: dict[str, Any]
    recipes: dict[int, dict[str, int]]


@dataclass(frozen=True, slots=True)
class EmbeddedPhotos:
    """Photos that are due, a column each.

    Attributes:
        changes, photos: their numbers.
        shas, specs: what their outputs are of, and were made with.
        sizes: width and height.
        told: what people said, by place, of those of which they said something.
        captions: that stand there.
        tags, others: bodies of the old output of `tag`, and of another task with labels; None: there is none.
        embeddings: float16.
    """

    changes: list[int]
    photos: list[int]
    shas: list[bytes]
    specs: list[int]
    sizes: list[tuple[int, int]]
    told: dict[int, Told]
    captions: list[str | None]
    tags: list[bytes | None]
    others: list[bytes | None]
    embeddings: list[bytes]


@dataclass(frozen=True, slots=True)
class NewLabels:
    """What came of them, a column each: the bodies of the new outputs, and what they do to the labels, as numbers."""

    bodies: list[bytes]
    added: list[bytes]
    removed: list[bytes]
    kept: list[bytes]


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
        embedding_recipe(session, run.tenant_id, plain_model(tag.model)), plain_model(tag.model), tag.options,
        _recipes_by_task(session, run.tenant_id),
    )  # fmt: skip


def _recipes_by_task(session: Session, tenant_id: str) -> dict[int, dict[str, int]]:
    specs = session.scalars(select(Spec.id).where(Spec.tenant_id == tenant_id)).all()
    made_with = recipes_of(session, specs)
    tasks = describe_recipes(session, {recipe for some in made_with.values() for recipe in some})
    return {spec: {tasks[recipe][0]: recipe for recipe in some} for spec, some in made_with.items()}


def due_slice(session: Session, claim: RunClaim, plan: RelabelPlan, most: int) -> tuple[EmbeddedPhotos, list[int]]:
    """The next photos that are due, and the changes of those that cannot be labelled for want of an embedding."""
    photo, change = LibraryPhoto, LibraryChange
    due = select(change.id, change.photo).where(change.run == claim.number, change.state == "due")
    some = due.order_by(change.id).limit(most).subquery()
    shows = func.coalesce(photo.shown, photo.sha256)
    tag, caption, other, embedding = (aliased(LedgerEntry) for _ in range(4))
    query = (
        select(
            some.c.id, photo.id, _plain("shows", shows), photo.spec, photo.width, photo.height,
            _plain("added", photo.added), _plain("removed", photo.removed), photo.caption, _plain("tag", tag.body),
            _plain("of_caption", caption.body), _plain("other", other.body), _plain("embedding", embedding.body),
        )
        .select_from(some)
        .outerjoin(photo, photo.id == some.c.photo)
        .outerjoin(embedding, and_(embedding.sha256 == shows, embedding.recipe == plan.embeddings))
        .outerjoin(tag, and_(tag.sha256 == shows, tag.recipe == _recipe_of("tag", plan)))
        .outerjoin(caption, and_(caption.sha256 == shows, caption.recipe == _recipe_of("caption", plan)))
        .outerjoin(other, and_(other.sha256 == shows, other.recipe == _recipe_of(_WITH_LABELS, plan)))
        .order_by(some.c.id)
    )  # fmt: skip
    rows = session.execute(query).all()
    good = [row for row in rows if row[12] is not None and row[3] is not None]
    left = [row[0] for row in rows if row[12] is None or row[3] is None]
    told = {at: told_of(row[6], row[7], row[8]) for at, row in enumerate(good) if row[6] or row[7] or row[8]}
    return EmbeddedPhotos(
        changes=[row[0] for row in good],
        photos=[row[1] for row in good],
        shas=[row[2] for row in good],
        specs=[row[3] for row in good],
        sizes=[(row[4] or 0, row[5] or 0) for row in good],
        told=told,
        captions=[_caption(row[8], row[10]) for row in good],
        tags=[row[9] for row in good],
        others=[row[11] for row in good],
        embeddings=[row[12] for row in good],
    ), left


def _plain(name: str, column: Any) -> ColumnElement[Any]:
    """A column of bytes as the driver gives it, which is bytes already."""
    return type_coerce(column, NullType()).label(name)


def _recipe_of(task: str, plan: RelabelPlan) -> ColumnElement[int]:
    """SQL: the recipe by which a photo's spec does a task; none is -1."""
    found = [(LibraryPhoto.spec == spec, literal(tasks[task])) for spec, tasks in plan.recipes.items() if task in tasks]
    return case(*found, else_=literal(-1)) if found else literal(-1)


def _caption(person: str | None, body: bytes | None) -> str | None:
    if person is not None:
        return person or None
    text = decode(body).rest.get("text") if body else None
    return text if isinstance(text, str) else None


def store_relabelled(
    session: Session, claim: RunClaim, plan: RelabelPlan, photos: EmbeddedPhotos, new: NewLabels, left: Sequence[int]
) -> None:
    """Store what came of a slice.

    Raises:
        LeaseLost: the run is no longer ours; nothing was stored.
    """
    hold(session, claim, attempts=1)
    if left:
        session.execute(update(LibraryChange).where(LibraryChange.id.in_(left)).values(state="left"))
    if not photos.changes:
        return
    targets = _targets(session, claim.tenant_id, plan, set(photos.specs))
    if not plan.dry_run:
        bodies = {(sha256, plan.recipe): body for sha256, body in zip(photos.shas, new.bodies, strict=True)}
        write_entries(session, bodies)
        _point_photos(session, claim, plan, photos, targets)
    update_rows(
        session,
        LibraryChange,
        {
            "id": photos.changes,
            "added": new.added,
            "removed": new.removed,
            "kept": new.kept,
            "before_sha256": photos.shas,
            "after_sha256": photos.shas,
            "before_spec": photos.specs,
            "after_spec": [targets[spec] for spec in photos.specs],
            "caption_before": photos.captions,
            "caption_after": photos.captions,
        },
        {"state": "done", "outcome": "succeeded", "done_by": "embedding"},
    )


def _point_photos(
    session: Session, claim: RunClaim, plan: RelabelPlan, photos: EmbeddedPhotos, targets: Mapping[int, int]
) -> None:
    now = current_ms(session)
    for spec, target in targets.items():
        numbers = [number for number, made in zip(photos.photos, photos.specs, strict=True) if made == spec]
        session.execute(
            update(LibraryPhoto)
            .where(LibraryPhoto.id.in_(numbers))
            .values(spec=target, run=claim.number, updated_at=now, unsaved=LibraryPhoto.unsaved | plan.writes)
            .execution_options(synchronize_session=False)
        )


def _targets(session: Session, tenant_id: str, plan: RelabelPlan, specs: set[int]) -> dict[int, int]:
    """What photos of each spec are made with afterwards: the tags anew, and everything else as it is, as far as it is
    still asked for."""
    wanted = plan.recipes[plan.spec]
    targets = {}
    for spec in specs:
        kept = [recipe for task, recipe in plan.recipes[spec].items() if task in wanted and task != "tag"]
        targets[spec] = find_spec(session, tenant_id, [*kept, plan.recipe])
    return targets


def end_relabel(session: Session, claim: RunClaim) -> None:
    """Let the run go on once nothing is due."""
    hold(session, claim)
    run = run_numbered(session, claim.number)
    assert run is not None
    library = session.get_one(Library, claim.library)
    enter_stage(run, RunStage.SIDECARS if library.write != "none" and not run.dry_run else RunStage.CLOSE)
