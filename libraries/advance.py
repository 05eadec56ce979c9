"""Runs from stage to stage, by any number of schedulers: each step is a transaction that locks the run's row and says
how far it has come, so whoever dies, another goes on where it was, and nothing is done twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, sleep

from core.artefacts.catalogue import Catalogue
from core.broker import Doorbell
from core.settings import Settings
from core.states import RunStage, RunState
from db.clock import current_ms
from db.engine import Database, Session
from db.libraries import library_numbered, touch_library
from db.library_changes import summarize
from db.library_compare import compare_slice, gone_slice
from db.library_ends import end_run
from db.library_orders import drop_job, jobs_of_run
from db.library_runs import OF_WORKERS, enter_stage, run_numbered, runs_to_advance, take_run
from db.library_tables import Library, LibraryRun
from libraries.order_jobs import order_some
from libraries.pin_run import pin_run
from libraries.schedule import Schedule

log = logging.getLogger(__name__)

TURN_S = 1.0  # for one run at a time, so that the others go on too
PAUSE_S = 0.005  # between slices: other writers get at the database


@dataclass(frozen=True, slots=True)
class Advancer:
    """Moves runs on; each method is safe to call at any time and by several at once."""

    database: Database
    doorbell: Doorbell
    settings: Settings
    catalogue: Catalogue

    def advance_all(self) -> None:
        """Give every unfinished run a turn."""
        with self.database.read() as session:
            numbers = runs_to_advance(session)
        for number in numbers:
            try:
                self._advance(number)
            except Exception:
                log.exception("a run could not go on; it is tried again", extra={"run": number})

    def _advance(self, number: int) -> None:
        over = monotonic() + TURN_S
        while monotonic() < over and self._step(number):
            sleep(PAUSE_S)

    def _step(self, number: int) -> bool:
        """Do the next step of a run; False if there is nothing to do now."""
        with self.database.read() as session:
            run = run_numbered(session, number)
            if run is None or RunState(run.state).finished:
                return False
            stage, goes_on = RunStage(run.stage), may_go_on(session, run)
            paused = run.state == RunState.PAUSED
        if paused != (not goes_on) and stage == RunStage.ORDER:
            return self._pause(number, paused=not goes_on)
        if paused:
            return self._drop_jobs(number)
        if stage == RunStage.PIN:
            return goes_on and self._pin(number)
        if stage == RunStage.COMPARE:
            return self._locked(number, stage, compare_slice)
        if stage == RunStage.GONE:
            return self._locked(number, stage, gone_slice)
        if stage == RunStage.ORDER:
            return self._order(number)
        return stage == RunStage.CLOSE and self._close(number)

    def _locked(self, number: int, stage: RunStage, step: Callable[[Session, LibraryRun], object]) -> bool:
        with self.database.write() as session:
            run = take_run(session, number)
            if run is None or run.stage != stage:
                return False
            step(session, run)
            for_workers = run.stage in OF_WORKERS
        if for_workers:
            self.doorbell.wake()
        return True

    def _pin(self, number: int) -> bool:
        pinned = False

        def pin(session: Session, run: LibraryRun) -> None:
            nonlocal pinned
            apart = self.settings.ledger_variants == "apart"
            pinned = pin_run(session, session.get_one(Library, run.library), run, self.catalogue, apart=apart)

        return self._locked(number, RunStage.PIN, pin) and pinned

    def _pause(self, number: int, *, paused: bool) -> bool:
        """Stop at the end of the window, or go on in the next. What waits in jobs is due again: they are given up, with
        the little that was in workers' hands."""

        def pause(session: Session, run: LibraryRun) -> None:
            run.state = RunState.PAUSED if paused else RunState.RUNNING

        changed = self._locked(number, RunStage.ORDER, pause)
        if changed and paused:
            self._drop_jobs(number)
        return changed

    def _drop_jobs(self, number: int) -> bool:
        """Give up a run's jobs, each in a transaction of its own: chunks are locked before runs are."""
        with self.database.read() as session:
            jobs = jobs_of_run(session, number)
        for job in jobs:
            with self.database.write() as session:
                drop_job(session, job)
        return False

    def _order(self, number: int) -> bool:
        ordered = order_some(self.database, self.doorbell, self.settings, number)
        self._drop_finished_jobs(number)
        if ordered is None:
            return self._locked(number, RunStage.ORDER, _after_photos)
        return False

    def _drop_finished_jobs(self, number: int) -> None:
        with self.database.read() as session:
            done = set(jobs_of_run(session, number)) - set(jobs_of_run(session, number, unfinished=True))
        for job in done:
            with self.database.write() as session:
                drop_job(session, job)

    def _close(self, number: int) -> bool:
        """Count, make the receipt, and tell; the sum is made before the row is locked, for nothing changes any more."""
        with self.database.read() as session:
            run = run_numbered(session, number)
            if run is None:
                return False
            labels, receipt = summarize(session, run)
        with self.database.write() as session:
            library = library_numbered(session, run.library, lock=True)  # before its run, as everybody does
            locked = take_run(session, number) if library is not None else None
            if library is None or locked is None or locked.stage != RunStage.CLOSE:
                return False
            end_run(session, locked, RunState.COMPLETED, labels=labels, receipt=receipt)
            if not locked.dry_run:
                library.present = locked.listed
                touch_library(session, library.number)
            log.info("a run is over", extra={"run": locked.id, "counts": locked.counts})
        return True


def _after_photos(session: Session, run: LibraryRun) -> None:
    library = session.get_one(Library, run.library)
    enter_stage(run, RunStage.SIDECARS if library.write != "none" and not run.dry_run else RunStage.CLOSE)


def may_go_on(session: Session, run: LibraryRun) -> bool:
    """Whether the window of a run is open; one that was started by hand has none."""
    if run.scheduled_for is None or not run.window:
        return True
    return Schedule.parse(run.window).open_at(current_ms(session))
