"""`tagline reload`: the running service loads what is new in the models folder."""

from __future__ import annotations

import fcntl
import os
import signal
from pathlib import Path

import click

from cli.config import read_settings
from cli.terminal import Failure, say


def running_supervisor(data_dir: Path) -> int | None:
    """The process id of the `tagline up` that holds a data folder, or None if there is none."""
    try:
        with (data_dir / "lock").open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                text = file.read().strip()
                return int(text) if text.isdigit() else None
    except OSError:
        pass
    return None


@click.command("reload")
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="Data folder.  [TAGLINE_DATA_DIR]")
def reload(data: Path | None) -> None:
    """Load new models without stopping.

    Asks the workers of the running `tagline up` to warm up the newest versions of the models in the models folder.
    What does not work is refused (DATA/logs/worker.log says why), and what ran before goes on. To a worker that runs
    by itself send SIGHUP.
    """
    settings = read_settings(data_dir=data)
    pid = running_supervisor(settings.data_dir)
    if pid is None:
        raise Failure(f"no `tagline up` runs with the data folder {settings.data_dir}")
    os.kill(pid, signal.SIGHUP)
    say(f"Asked (process {pid}); {settings.data_dir / 'logs' / 'worker.log'} says what became of it.")
