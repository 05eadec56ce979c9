"""The ledger: what models said of bytes, by the bytes' SHA-256, the task, the model and the options.

The same bytes in two libraries, or again after a crash, cost a look-up. An entry is written once and then stands,
unless a run asks for everything anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.inputs import groups
from db.bulk import insert_rows
from db.clock import now_ms
from db.labels import labels_of
from db.ledger_tables import LedgerEntry, Recipe, Spec
from db.output_code import Decoded, decode, rendered
from db.upsert import insert_into

EMBEDDING = "embedding"  # the task of a recipe that gives a tagger's embedding of a photo, float16
DAY_MS = 86_400_000
AT_A_TIME = 400
WITH_LABELS = ("classify", "tag")
Entry = tuple[bytes, int]  # SHA-256, recipe


@dataclass(frozen=True, slots=True)
class KnownOutputs:
    """What the ledger knows of some bytes: each task's output as its model gave it, and the photo's size if known."""

    outputs: dict[str, dict[str, Any]]
    width: int
    height: int


def options_hash(options: Mapping[str, Any]) -> str:
    """SHA-256 of options, with their defaults filled in, as hexadecimal digits."""
    canonical = json.dumps(options, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def with_variants(models: Mapping[str, str], variants: Mapping[str, str]) -> dict[str, str]:
    """Models by task as recipes name them where variants are told apart: NAME@VERSION/VARIANT.

    Args:
        variants: by task; of tasks that are not there every variant will do.
    """
    return {task: f"{model}/{variants[task]}" if task in variants else model for task, model in models.items()}


def plain_model(model: str) -> str:
    """The NAME@VERSION of a recipe's model."""
    return model.partition("/")[0]


def find_recipe(session: Session, tenant_id: str, task: str, model: str, options: Mapping[str, Any]) -> int:
    """The number of a recipe, which gets one now if it has none."""
    key = {"tenant_id": tenant_id, "task": task, "model": model, "options_sha256": options_hash(options)}
    query = select(Recipe.id).filter_by(**key)
    found = session.scalars(query).first()
    if found is None:
        new = insert_into(session, Recipe).values(**key, options=dict(options)).on_conflict_do_nothing()
        session.execute(new)
        found = session.scalars(query).one()
    return found


def find_recipes(
    session: Session, tenant_id: str, tasks: Iterable[str], models: Mapping[str, str], options: Mapping[str, Any]
) -> dict[str, int]:
    """The recipe of each task of a job; `models` maybe `with_variants`."""
    return {task: find_recipe(session, tenant_id, task, models[task], options.get(task, {})) for task in sorted(tasks)}


def embedding_recipe(session: Session, tenant_id: str, model: str) -> int:
    """The recipe of a tagger's embeddings: they do not depend on options. A tagger's version names its encoder's."""
    return find_recipe(session, tenant_id, EMBEDDING, model, {})


def find_spec(session: Session, tenant_id: str, recipes: Iterable[int]) -> int:
    """The number of a set of recipes, which gets one now if it has none."""
    key = {"tenant_id": tenant_id, "recipes": ",".join(map(str, sorted(recipes)))}
    query = select(Spec.id).filter_by(**key)
    found = session.scalars(query).first()
    if found is None:
        session.execute(insert_into(session, Spec).values(**key).on_conflict_do_nothing())
        found = session.scalars(query).one()
    return found


def recipes_of(session: Session, specs: Collection[int]) -> dict[int, tuple[int, ...]]:
    """The recipes of each spec."""
    rows = session.execute(select(Spec.id, Spec.recipes).where(Spec.id.in_(specs)))
    return {row.id: tuple(int(part) for part in row.recipes.split(",") if part) for row in rows}


def recipes_by_task(session: Session, spec: int) -> dict[str, int]:
    """The recipes of one spec."""
    recipes = recipes_of(session, [spec])[spec]
    return {task: recipe for recipe, (task, _) in describe_recipes(session, recipes).items()}


def describe_recipes(session: Session, recipes: Collection[int]) -> dict[int, tuple[str, str]]:
    """The task and the model of each recipe, this maybe with its variant; see `plain_model`."""
    rows = session.execute(select(Recipe.id, Recipe.task, Recipe.model).where(Recipe.id.in_(recipes)))
    return {row.id: (row.task, row.model) for row in rows}


def labelled_recipes(session: Session, specs: Collection[int]) -> dict[int, list[int]]:
    """The recipes of each spec whose outputs are labels."""
    made_with = recipes_of(session, specs)
    tasks = describe_recipes(session, {recipe for recipes in made_with.values() for recipe in recipes})
    return {spec: [one for one in recipes if tasks[one][0] in WITH_LABELS] for spec, recipes in made_with.items()}


def read_entries(session: Session, wanted: Collection[Entry]) -> dict[Entry, bytes]:
    """The bodies of those entries that there are."""
    found: dict[Entry, bytes] = {}
    asked = set(wanted)
    for some in groups(sorted(asked), AT_A_TIME):
        # Not pairs IN pairs, for which SQLite reads the whole ledger.
        hashes, recipes = {sha256 for sha256, _ in some}, {recipe for _, recipe in some}
        rows = session.execute(
            select(LedgerEntry.sha256, LedgerEntry.recipe, LedgerEntry.body).where(
                LedgerEntry.sha256.in_(sorted(hashes)), LedgerEntry.recipe.in_(sorted(recipes))
            )
        )
        found.update({key: bytes(row.body) for row in rows if (key := (bytes(row.sha256), row.recipe)) in asked})
    return found


def write_entries(session: Session, bodies: Mapping[Entry, bytes], *, replace: bool = False) -> None:
    """Write entries, in an order that everybody keeps; those that are there already stay, unless they are replaced."""
    if not bodies:
        return
    today = session.execute(select(now_ms())).scalar_one() // DAY_MS
    ordered = sorted(bodies.items())
    columns: dict[str, list[Any]] = {
        "sha256": [key[0] for key, _ in ordered],
        "recipe": [key[1] for key, _ in ordered],
        "body": [body for _, body in ordered],
    }
    if not replace:
        insert_rows(session, LedgerEntry, columns, {"made_on": today})
        return
    insert = insert_into(session, LedgerEntry)
    fresh = insert.excluded
    insert = insert.on_conflict_do_update(
        index_elements=["sha256", "recipe"],
        set_={"body": fresh.body, "made_on": fresh.made_on},
        where=LedgerEntry.body != fresh.body,
    )
    session.execute(
        insert, [dict(zip(columns, row, strict=True), made_on=today) for row in zip(*columns.values(), strict=True)]
    )


def known_outputs(session: Session, recipes: Mapping[str, int], hashes: Collection[bytes]) -> dict[bytes, KnownOutputs]:
    """What is known of bytes for which the ledger has an output of every task.

    Args:
        recipes: by task.
        hashes: SHA-256 of the bytes.
    """
    found = read_entries(session, [(sha256, recipe) for sha256 in set(hashes) for recipe in recipes.values()])
    whole = {
        sha256: {task: decode(found[sha256, recipe]) for task, recipe in recipes.items()}
        for sha256 in set(hashes)
        if all((sha256, recipe) in found for recipe in recipes.values())
    }
    models = describe_recipes(session, recipes.values())
    labels = labels_of(session, _numbers(decoded for tasks in whole.values() for decoded in tasks.values()))
    return {
        sha256: KnownOutputs(
            {task: rendered(one, labels, plain_model(models[recipes[task]][1])) for task, one in tasks.items()},
            *_largest(list(tasks.values())),
        )
        for sha256, tasks in whole.items()
    }


def _numbers(decoded: Iterable[Decoded]) -> Iterable[int]:
    return (number for one in decoded for number in one.numbers)


def _largest(decoded: Sequence[Decoded]) -> tuple[int, int]:
    return max(((one.width, one.height) for one in decoded), default=(0, 0))


def describe_options(session: Session, spec: int) -> dict[str, dict[str, Any]]:
    """By task, the options of a spec, the tasks in order."""
    recipes = recipes_of(session, [spec])[spec]
    rows = session.execute(select(Recipe.task, Recipe.options).where(Recipe.id.in_(recipes)).order_by(Recipe.task))
    return {row.task: dict(row.options) for row in rows}
