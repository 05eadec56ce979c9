"""Makes the database ready for the other processes: schema, first key, no trace of a worker's former life.

As a process of its own (`python -m cli.stack.prepare`) it leaves the supervisor without SQLAlchemy; the key it made, if
it made one, is its standard output.
"""

from __future__ import annotations

import sys

from core.outbound.signing import new_secret
from core.settings import Settings, load_settings
from db.engine import Database
from db.keys import ensure_first_key
from db.migrate import migrate
from db.workers import sign_off


def prepare(settings: Settings) -> str | None:
    """Migrate, and make sure that somebody can call the API.

    Returns:
        The first key if it was made now.
    """
    if not settings.database_url:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = Database(settings.sql_url)
    try:
        migrate(database)
        with database.write() as session:
            key = ensure_first_key(session, settings.api_key, settings.webhook_secret or new_secret())
            if settings.worker_name:
                # It counts as alive for half a minute; /readyz would say yes before the new one is warm.
                sign_off(session, settings.worker_name)
    finally:
        database.close()
    return key


def reason(error: Exception) -> str:
    """Whatever a database driver raises, in one line."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def main() -> None:
    try:
        key = prepare(load_settings())
    except Exception as error:
        sys.exit(f"the database cannot be prepared: {reason(error)}")
    if key:
        print(key)


if __name__ == "__main__":
    main()
