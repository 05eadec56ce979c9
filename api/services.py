"""What every route needs, made once for each application."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import cast

from flask import current_app, request

from api.forecasts import Forecasts
from api.http.api_metrics import ApiMetrics
from api.http.places import Places
from api.job_hub import JobHub
from core.artefacts.catalogue import Catalogue
from core.artefacts.manifest import Manifest
from core.broker import Doorbell
from core.calibration.setups import RunsAs
from core.file_limit import sockets_to_spare
from core.job_channel import JobChangePublisher
from core.settings import Settings
from core.storage.blobs import Blobs
from core.storage.thumbnail_store import open_thumbnail_store
from core.storage.uploads import UploadStore, open_upload_store
from db.engine import Database
from db.workers import running_setups, running_variants, warm_models
from libraries.search import LibrarySearch

KEY = "tagline"
log = logging.getLogger(__name__)
MODELS_LISTED_S = 1.0  # for so long a model that was installed or removed may go unnoticed


@dataclass(frozen=True, slots=True)
class Services:
    """Settings, and the connections to everything else. Safe to share between threads."""

    settings: Settings
    database: Database
    doorbell: Doorbell
    catalogue: Catalogue
    uploads: UploadStore
    thumbnails: Blobs
    places: Places
    live: JobHub
    forecasts: Forecasts
    metrics: ApiMetrics
    search: LibrarySearch

    def warm_models(self) -> tuple[str, ...]:
        """NAME@VERSION of the models that live workers have warm, their defaults first."""
        with self.database.read() as session:
            return warm_models(session)

    def running_variants(self) -> dict[str, frozenset[str]]:
        """By NAME@VERSION of models that have variants, those in which live workers run them."""
        with self.database.read() as session:
            return running_variants(session)

    def running_setups(self, manifest: Manifest) -> list[RunsAs]:
        """How live workers run a model, where that is measured; no model of texts is."""
        if manifest.medium != "image":
            return []
        with self.database.read() as session:
            return running_setups(session).get(manifest.id, [])


def make_services(settings: Settings) -> Services:
    """Open the database and the broker's pools; nothing is connected yet."""
    database = Database(settings.sql_url, pool_size=settings.web_threads, job_news=JobChangePublisher(settings))
    doorbell = Doorbell(settings)
    places = Places(min(settings.max_waiting, sockets_to_spare()))
    if sockets_to_spare() < settings.max_waiting:
        log.info("only %d requests may wait at a time, for want of open files (ulimit -Hn)", sockets_to_spare())
    return Services(
        settings=settings,
        database=database,
        doorbell=doorbell,
        catalogue=Catalogue(settings.models_dir, max_age_s=MODELS_LISTED_S),
        uploads=open_upload_store(settings),
        thumbnails=open_thumbnail_store(settings),
        places=places,
        live=JobHub(database, settings),
        forecasts=Forecasts(database, settings.chunk_of),
        metrics=ApiMetrics(settings.metrics_peers, places.taken),
        search=LibrarySearch(database, doorbell),
    )


def services() -> Services:
    """The services of the application that answers the current request."""
    return cast(Services, current_app.extensions[KEY])


def base_url() -> str:
    """Where clients reach the API, without a final slash."""
    return services().settings.public_url or request.host_url.rstrip("/")
