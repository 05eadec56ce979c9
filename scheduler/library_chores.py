"""What the scheduler does for photo libraries: starting what is due, moving runs on, clearing away."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic, sleep

from core.artefacts.catalogue import Catalogue
from core.broker import Doorbell
from core.settings import Settings
from db import library_upkeep
from db.engine import Database, Session
from db.library_orders import drop_job, jobs_of_run
from libraries.advance import Advancer
from libraries.due_libraries import start_due

log = logging.getLogger(__name__)

TURN_S = 0.5
PAUSE_S = 0.02
MODELS_LISTED_S = 5.0
DIRECTIONS_DAYS = 7.0


class LibraryChores:
    """One method a chore; each is safe to run at any time and by several at once.

    They have a thread of their own: planning a million photos must not delay taking chunks back.
    """

    def __init__(self, database: Database, doorbell: Doorbell, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        catalogue = Catalogue(settings.models_dir, max_age_s=MODELS_LISTED_S)
        self._advancer = Advancer(database, doorbell, settings, catalogue)
        self._ledger_at = b""

    def start_due(self) -> None:
        """Start the runs that schedules ask for."""
        start_due(self._database)

    def advance(self) -> None:
        """Move unfinished runs on."""
        self._advancer.advance_all()

    def clear_runs(self) -> None:
        """Give up the jobs of runs that have ended, and clear away what else they left behind."""

        def one_slice() -> object:
            with self._database.read() as session:
                number = library_upkeep.ended_run(session)
                jobs = jobs_of_run(session, number) if number is not None else ()
            if number is None:
                return False
            for job in jobs:
                with self._database.write() as session:
                    drop_job(session, job)
            with self._database.write() as session:
                library_upkeep.clear_run(session, number)
            return True

        self._in_slices(one_slice)

    def clear(self) -> None:
        """Clear away libraries that were given up, photos long gone, old runs and what nobody asks for any more."""
        settings = self._settings
        for work in (
            library_upkeep.clear_library,
            lambda session: library_upkeep.forget_missing(session, days=settings.library_forget_days),
            lambda session: library_upkeep.retire_runs(session, days=settings.library_runs_days),
            library_upkeep.clear_manifests,
            lambda session: library_upkeep.clear_directions(session, days=DIRECTIONS_DAYS),
        ):
            self._in_slices(self._writing(work))

    def clear_ledger(self) -> None:
        """Look at a part of the ledger for outputs that nothing shows."""

        def one_slice(session: Session) -> object:
            on = library_upkeep.clear_ledger(session, days=self._settings.ledger_days, after=self._ledger_at)
            self._ledger_at = on or b""
            return on

        self._in_slices(self._writing(one_slice))

    def _writing(self, work: Callable[[Session], object]) -> Callable[[], object]:
        def one_slice() -> object:
            with self._database.write() as session:
                return work(session)

        return one_slice

    def _in_slices(self, one_slice: Callable[[], object]) -> None:
        over = monotonic() + TURN_S
        while one_slice() and monotonic() < over:
            sleep(PAUSE_S)
