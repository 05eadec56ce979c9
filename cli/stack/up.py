"""`tagline up`: the whole service in the foreground."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import click

from cli.config import read_settings
from cli.stack import processes
from cli.stack.health import why_not_ready
from cli.stack.layout import STOP_PHASES, Stack, free_port, lay_out, port_problem
from cli.stack.orphans import adopt_orphans, sweep
from cli.stack.prepared import Prepared, link_to_sign_in
from cli.stack.service import start_child
from cli.stack.supervisor import Stopped, Supervisor, WrongSettings, wrong_settings
from cli.terminal import Failure, note, quote, say, warn
from core.settings import Settings
from core.startup import WRONG_SETTINGS

_PATIENCE_S = 30.0


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a data folder for this process alone; the kernel lets go of it however we end.

    Raises:
        Failure: another process holds it, or it cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Failure(f"TAGLINE_DATA_DIR: {folder} cannot be used: {error.strerror}; write another", 2) from error
    with open(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = file.read().strip() or "unknown"
            raise Failure(f"{folder} is in use by another `tagline up` (process {holder})", 2) from None
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def run_up(settings: Settings, host: str, port: int, *, verbose: bool) -> None:
    """Run the stack until asked to stop.

    Raises:
        Failure: exit code 2 if the folder or the port is not ours to use, or a process finds a setting wrong; 1 if the
            database cannot be prepared.
    """
    with locked(settings.data_dir):
        left = sweep(settings.data_dir)
        if left:
            note(f"ended {left} process(es) that an earlier run left behind")
        port = port or free_port(host)
        problem = port_problem(host, port)
        if problem:
            raise Failure(f"cannot listen on {host}:{port}: {problem}; choose another with --port", 2)
        stack = lay_out(settings, host, port)
        supervisor = Supervisor(verbose=verbose)
        supervisor.listen()
        adopt_orphans()
        try:
            _run(stack, supervisor)
        except WrongSettings as error:
            raise Failure(str(error), WRONG_SETTINGS) from None
        except Stopped:
            note("stopping: what is in hand is finished first; Ctrl-C again to hurry")
        finally:
            if not supervisor.stop(STOP_PHASES):
                note("not everything was finished; it goes on at the next start")
    say("Tagline has stopped.")


def _run(stack: Stack, supervisor: Supervisor) -> None:
    began = monotonic()
    if stack.valkey:
        supervisor.add(stack.broker_service(stack.valkey))
    prepared = _prepare(stack, supervisor)
    if stack.valkey:
        supervisor.wait_until(stack.valkey.answers)
    for service in stack.tagline_services():
        supervisor.add(service)
    health = _Health(stack, began)
    supervisor.wait_until(health.good)
    supervisor.ready = True
    _announce(stack, prepared)
    supervisor.wait_until(lambda: False)


def _prepare(stack: Stack, supervisor: Supervisor) -> Prepared:
    """Migrate, in a process of its own."""
    log = stack.log("prepare")
    log.keep_small()
    out = log.open()
    try:
        process = start_child(
            processes.prepare_command(), stack.environment, cwd=stack.data_dir, stdout=subprocess.PIPE, stderr=out
        )
    finally:
        os.close(out)
    with process:
        assert process.stdout is not None
        code = supervisor.wait_for(process)
        answer = process.stdout.read()
    if code == WRONG_SETTINGS:
        raise WrongSettings(wrong_settings(log.tail()) or f"a setting is wrong; see {log.path}")
    if code:
        quote("prepare", log.tail())
        raise Failure(f"the database could not be prepared; see {log.path}")
    return Prepared(**json.loads(answer))


class _Health:
    """Asks the API whether it is ready, and says what it waits for if that takes long."""

    def __init__(self, stack: Stack, began: float) -> None:
        self._stack = stack
        self._complain_at = began + _PATIENCE_S

    def good(self) -> bool:
        """Whether it is ready."""
        problem = why_not_ready(self._stack.url)
        if problem and monotonic() > self._complain_at:
            self._complain_at = monotonic() + _PATIENCE_S
            warn(f"not ready yet ({problem}); the logs are in {self._stack.data_dir / 'logs'}")
        return problem is None


def _announce(stack: Stack, prepared: Prepared) -> None:
    if prepared.key:
        say(f"API key, shown only this once: {click.style(prepared.key, bold=True)}")
    for line in prepared.news:
        note(line)
    where = click.style(stack.url, fg="green", bold=True)
    say(f"Tagline is ready at {where} (docs at /docs, data in {stack.data_dir}).")
    if prepared.link:
        link = link_to_sign_in(stack.settings.public_url or stack.url, prepared.link)
        say(f"Sign in with your browser, once and within ten minutes: {click.style(link, underline=True)}")


@click.command("up")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0: any free one.")
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="Data folder.  [TAGLINE_DATA_DIR]")
@click.option(
    "--folders",
    multiple=True,
    metavar="FOLDER",
    help="Folder that photos may be read from; may be given several times.  [TAGLINE_FOLDERS]",
)
@click.option("--verbose", "-v", is_flag=True, help="Show what all the processes write.")
def up(host: str, port: int, data: Path | None, folders: tuple[str, ...], verbose: bool) -> None:
    """Run everything in the foreground: broker, database, API, worker, scheduler.

    Ctrl-C ends it in order. Processes write to DATA/logs. Set TAGLINE_DATABASE_URL or TAGLINE_REDIS_URL to use
    your own instead of the embedded ones.
    """
    settings = read_settings("data", "models", "runtime", data_dir=data, folders=_folders(folders))
    run_up(settings, host, port, verbose=verbose)


def _folders(given: tuple[str, ...]) -> tuple[str, ...] | None:
    """The folders that were named, as the setting has them: absolute, for the processes work elsewhere.

    Raises:
        Failure: one of them is no folder.
    """
    found = []
    for one in (one for each in given for one in each.split(",") if one.strip()):
        path = Path(one.strip()).expanduser().absolute()
        if not path.is_dir():
            raise Failure(f"--folders: there is no folder {path}", 2)
        found.append(os.path.normpath(path))
    return tuple(found) or None
