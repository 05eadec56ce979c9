"""schemathesis against the running server: every check, on generated requests for every operation."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.settings import Settings
from db import keys
from db.engine import Database
from db.migrate import migrate
from db.workers import beat
from tests.support.api import KEY, ROOT, Server, api_server

EXAMPLES = "20"
SECONDS = "60"
SEED = "20261126"  # the same code meets the same requests; try others by hand after a change of the contract


@pytest.fixture
def server(redis_url: str, tmp_path: Path) -> Iterator[Server]:
    """The API with a worker that is alive, so that it is ready."""
    database = Database(Settings(data_dir=tmp_path).sql_url)
    migrate(database)
    with database.write() as session:
        keys.ensure_first_key(session, KEY, "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0")
    done = threading.Event()

    def live() -> None:
        while not done.is_set():
            with database.write() as session:
                beat(session, "w1", [])
            done.wait(5)

    living = threading.Thread(target=live)
    living.start()
    env = {"TAGLINE_DATA_DIR": str(tmp_path), "TAGLINE_REDIS_URL": redis_url, "TAGLINE_LOG_FORMAT": "text"}
    try:
        with api_server(env, tmp_path / "api.log") as running:
            yield running
    finally:
        done.set()
        living.join()
        database.close()


@pytest.mark.slow
def test_no_check_fails(server: Server, tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(ROOT / "schemathesis.toml"),
        "run", f"{server.url}/openapi.json", "--header", f"Authorization: Bearer {KEY}", "--checks", "all",
        "--header", "Prefer: wait=0",  # no worker runs: what is asked of /v1/predict would have its whole time
        "--max-examples", EXAMPLES, "--max-time", SECONDS, "--seed", SEED, "--no-color",
    ]  # fmt: skip
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ}, check=False)
    assert ran.returncode == 0, ran.stdout[-8000:] + ran.stderr[-2000:]
    assert "status=500" not in (tmp_path / "api.log").read_text()
