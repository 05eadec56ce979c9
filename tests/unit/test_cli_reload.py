"""`tagline reload` finds the running service; the supervisor hands the wish on, unless its terminal is gone."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import main
from cli.reload import running_supervisor
from cli.stack.logfiles import LogFile
from cli.stack.service import Service
from cli.stack.supervisor import Supervisor
from cli.stack.up import locked
from tests.support.waiting import until

ROOT = Path(__file__).resolve().parents[2]
NOTES_HUPS = """
import signal, sys, time
signal.signal(signal.SIGHUP, lambda *_: open(sys.argv[1], "a").write("x"))
open(sys.argv[1], "w").close()
time.sleep(60)
"""
SUPERVISES = """
from cli.stack.supervisor import Stopped, Supervisor
supervisor = Supervisor(verbose=False)
supervisor.listen()
print("listening", flush=True)
try:
    supervisor.wait_until(lambda: False)
except Stopped:
    print("stopped", flush=True)
"""


@pytest.fixture
def handlers() -> Iterator[None]:
    """The signal handlers of this process, put back afterwards."""
    numbers = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def test_it_says_so_where_nothing_runs(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(f"{os.getpid()}\n")  # of a process that ended: nobody holds the lock
    assert running_supervisor(tmp_path) is None
    assert running_supervisor(tmp_path / "nowhere") is None
    done = CliRunner().invoke(main, ["reload", "--data", str(tmp_path)])
    assert done.exit_code == 1
    assert "no `tagline up` runs" in done.output


def test_it_asks_the_process_that_holds_the_data_folder(tmp_path: Path, handlers: None) -> None:
    heard: list[int] = []
    signal.signal(signal.SIGHUP, lambda number, frame: heard.append(number))
    with locked(tmp_path):
        assert running_supervisor(tmp_path) == os.getpid()
        done = CliRunner().invoke(main, ["reload", "--data", str(tmp_path)])
    assert done.exit_code == 0
    assert "worker.log" in done.output
    assert heard == [signal.SIGHUP]


def test_the_wish_is_handed_on_to_services_that_reload(tmp_path: Path, handlers: None) -> None:
    supervisor = Supervisor(verbose=False)
    supervisor.listen()
    notes = {name: tmp_path / name for name in ("worker", "api")}
    for name, path in notes.items():
        command = [sys.executable, "-c", NOTES_HUPS, str(path)]
        service = Service(name, command, {}, LogFile(tmp_path / f"{name}.log"), tmp_path, reloads=name == "worker")
        supervisor.add(service)
    supervisor.wait_until(lambda: all(path.exists() for path in notes.values()))
    os.kill(os.getpid(), signal.SIGHUP)
    supervisor.wait_until(lambda: notes["worker"].read_text() == "x")
    assert notes["api"].read_text() == ""
    assert supervisor.stop([(("worker", "api"), 10.0)])


@pytest.mark.parametrize("gone", [True, False])
def test_a_hang_up_ends_it_only_where_its_terminal_is_gone(gone: bool) -> None:
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISES], stdin=slave, stdout=subprocess.PIPE, cwd=ROOT, start_new_session=True
    ) as process:
        os.close(slave)
        assert process.stdout is not None
        assert process.stdout.readline() == b"listening\n"
        if gone:
            os.close(master)
            process.send_signal(signal.SIGHUP)
            assert process.stdout.readline() == b"stopped\n"
        else:
            process.send_signal(signal.SIGHUP)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=1)
            process.terminate()
            assert process.stdout.readline() == b"stopped\n"
            os.close(master)
    assert until(lambda: process.returncode is not None)
