"""Makes the database ready for the other processes: schema, first key, no trace of a worker's former life.

As a process of its own (`python -m cli.stack.prepare`) it leaves the supervisor without SQLAlchemy; what came of it is
its standard output, as JSON.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace

from cli.stack.prepared import Prepared
from core.outbound.signing import new_secret
from core.settings import Settings
from core.startup import starting_settings
from db.engine import Database
from db.environment_key import use_key
from db.keys import FIRST_TENANT, ensure_first_key
from db.migrate import migrate
from db.sign_in_links import key_to_sign_in_with, make_link
from db.webhook_secrets import use_secret
from db.workers import sign_off


def prepare(settings: Settings) -> Prepared:
    """Migrate, make sure that somebody can call the API, and let the key and the secret be those of the settings."""
    if not settings.database_url:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = Database(settings.sql_url)
    try:
        migrate(database)
        with database.write() as session:
            key = ensure_first_key(session, settings.api_key, settings.webhook_secret or new_secret())
            news = use_key(session, settings.api_key) if settings.api_key else []
            if settings.webhook_secret:
                news += use_secret(session, settings.webhook_secret, settings.webhook_secret_overlap_hours)
            if settings.worker_name:
                # It counts as alive for half a minute; /readyz would say yes before the new one is warm.
                sign_off(session, settings.worker_name)
    finally:
        database.close()
    return Prepared(key, news)


def sign_in_link(settings: Settings) -> str | None:
    """The token of a link that signs a browser in once; None if the first tenant has no live key."""
    database = Database(settings.sql_url)
    try:
        with database.write() as session:
            key = key_to_sign_in_with(session, FIRST_TENANT)
            return None if key is None else make_link(session, key)
    finally:
        database.close()


def reason(error: Exception) -> str:
    """Whatever a database driver raises, in one line."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def main() -> None:
    settings = starting_settings("database")
    try:
        prepared = replace(prepare(settings), link=sign_in_link(settings))
    except Exception as error:
        sys.exit(f"the database cannot be prepared: {reason(error)}")
    print(json.dumps(asdict(prepared)))


if __name__ == "__main__":
    main()
