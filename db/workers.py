"""Which workers are alive."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from core.calibration.announced import read_announced
from core.calibration.setups import RunsAs
from db.clock import now_ms
from db.statements import run, table_of
from db.tables import Worker

ALIVE_MS = 30_000
_WORKER = table_of(Worker).c
_ALIVE = select(_WORKER.models).where(_WORKER.seen_at > now_ms() - ALIVE_MS).order_by(_WORKER.started_at, _WORKER.name)


def beat(session: Session, name: str, models: list[str]) -> None:
    """Say that a worker is alive and what it has warm.

    Args:
        models: NAME@VERSION, its defaults first; NAME@VERSION/VARIANT of those that have variants; and how
            what is measured runs, see `core.calibration.announced`.
    """
    seen = session.execute(update(Worker).where(Worker.name == name).values(seen_at=now_ms(), models=models))
    if seen.rowcount == 0:  # type: ignore[attr-defined]
        now = session.execute(select(now_ms())).scalar_one()
        session.add(Worker(name=name, started_at=now, seen_at=now, models=models))


def sign_off(session: Session, name: str) -> None:
    """Say that a worker has stopped."""
    session.execute(delete(Worker).where(Worker.name == name))


def warm_models(session: Session) -> tuple[str, ...]:
    """NAME@VERSION of every model that a worker seen within the last 30 seconds has warm, in the workers' own order."""
    return tuple(entry for entry in _announced(session) if "/" not in entry)


def running_variants(session: Session) -> dict[str, frozenset[str]]:
    """By NAME@VERSION, the variants in which live workers run it; only of models that have variants."""
    found: dict[str, frozenset[str]] = {}
    for entry in _announced(session):
        model, slash, variant = entry.partition("/")
        if slash and "/" not in variant:
            found[model] = found.get(model, frozenset()) | {variant}
    return found


def running_setups(session: Session) -> dict[str, list[RunsAs]]:
    """By NAME@VERSION, how live workers run it, each way once; only of what is measured."""
    found: dict[str, list[RunsAs]] = {}
    for model, runs in filter(None, map(read_announced, _announced(session))):
        found.setdefault(model, []).append(runs)
    return found


def _announced(session: Session) -> list[str]:
    """What live workers say that they have warm, each once."""
    return list(dict.fromkeys(entry for entries in run(session, _ALIVE).scalars() for entry in entries))


@dataclass(frozen=True, slots=True)
class SeenWorker:
    """A worker as it last said of itself; times in milliseconds since 1970 UTC, ages in seconds."""

    name: str
    started_at: int
    seen_s: float
    alive: bool
    models: tuple[str, ...]


def list_workers(session: Session) -> list[SeenWorker]:
    """Every worker that has not signed off, by name; one that fell silent is forgotten after a day."""
    age = now_ms() - Worker.seen_at
    rows = session.execute(select(Worker, age).order_by(Worker.name))
    return [
        SeenWorker(worker.name, worker.started_at, max(0, ms) / 1000, ms < ALIVE_MS, _models(worker))
        for worker, ms in rows
    ]


def _models(worker: Worker) -> tuple[str, ...]:
    return tuple(entry for entry in worker.models if "/" not in entry)


def count_alive(session: Session) -> int:
    """The number of workers seen within the last 30 seconds."""
    return session.execute(
        select(func.count()).select_from(Worker).where(Worker.seen_at > now_ms() - ALIVE_MS)
    ).scalar_one()


def warm_by_worker(session: Session) -> dict[str, tuple[str, ...]]:
    """What each worker seen within the last 30 seconds has warm, its defaults first, by its name."""
    alive = select(Worker.name, Worker.models).where(Worker.seen_at > now_ms() - ALIVE_MS).order_by(Worker.name)
    return {name: tuple(models) for name, models in session.execute(alive)}
