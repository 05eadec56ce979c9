"""Makes the database ready for the other processes: schema, first key, no trace of a worker's former life.

As a process of its own (`python -m cli.prepare`) it leaves the supervisor without SQLAlchemy; what it made, if
anything, stands on its standard output as one JSON object.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass

from core.settings import Settings, load_settings
from core.signing import new_secret
from db.engine import Database
from db.keys import authenticate, ensure_first_key
from db.migrate import migrate
from db.workers import sign_off


@dataclass(frozen=True, slots=True)
class FirstKey:
    """A key that was just made, and the secret that signs its owner's webhooks."""

    key: str
    webhook_secret: str


def prepare(settings: Settings) -> FirstKey | None:
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
            owner = authenticate(session, key) if key else None
    finally:
        database.close()
    return FirstKey(key, owner.webhook_secret) if key and owner else None


def main() -> None:
    try:
        made = prepare(load_settings())
    except Exception as error:  # whatever the driver raises: one line is worth more than its traceback
        lines = str(error).strip().splitlines() or [type(error).__name__]
        sys.exit(f"the database cannot be prepared: {lines[0]}")
    if made:
        print(json.dumps(asdict(made)))


if __name__ == "__main__":
    main()
