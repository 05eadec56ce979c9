"""The parts of the supervisor that need no service: log files, waits, orphans, ports."""

from __future__ import annotations

import os
import platform
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cli.stack import service as service_module
from cli.stack.child import main as child_main
from cli.stack.layout import Stack, lay_out, port_problem
from cli.stack.logfiles import LogFile
from cli.stack.orphans import MARK, marked, running, sweep
from cli.stack.service import Service, ending, start_child
from cli.stack.up import locked
from core.settings import Settings
from tests.support.waiting import until


def _write(log: LogFile, text: str) -> None:
    descriptor = log.open()
    os.write(descriptor, text.encode())
    os.close(descriptor)


def test_a_log_is_moved_away_while_it_is_written_to(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "logs" / "x.log")
    descriptor = log.open()
    for round_ in range(4):
        os.write(descriptor, f"round {round_}\n".encode() * 10)
        log.keep_small(limit=50)
    os.write(descriptor, b"last\n")
    os.close(descriptor)
    assert log.path.read_text() == "last\n"
    assert sorted(path.name for path in log.path.parent.iterdir()) == ["x.log", "x.log.1", "x.log.2"]
    assert "round 3" in (log.path.parent / "x.log.1").read_text()
    assert "round 2" in (log.path.parent / "x.log.2").read_text()


def test_the_tail_is_of_the_present_run(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "x.log")
    _write(log, "old\n")
    _write(log, "a\nb\nc\n")
    assert log.tail(2) == ["b", "c"]
    assert log.tail(9) == ["a", "b", "c"]


def test_news_are_whole_lines_and_come_once(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "x.log")
    _write(log, "a\nb\nhal")
    assert log.news() == ["a", "b"]
    _write(log, "f\n")
    assert log.news() == ["half"]
    assert log.news() == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "ended with exit code 0"),
        (3, "ended with exit code 3"),
        (-9, "was killed by SIGKILL"),
        (-63, "by signal 63"),
    ],
)
def test_an_ending_is_told_in_words(code: int, words: str) -> None:
    assert words in ending(code)


def test_a_process_that_keeps_dying_is_started_less_and_less_often(tmp_path: Path) -> None:
    service = Service("x", [sys.executable, "-c", "raise SystemExit(3)"], {}, LogFile(tmp_path / "x.log"), tmp_path)
    waits = []
    for _ in range(7):
        service.start()
        assert until(service.died) == "ended with exit code 3"
        waits.append(service.wait_s)
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    parent = (
        "import subprocess, sys; from pathlib import Path; from cli.stack.service import start_child\n"
        "c = start_child(['sleep', '60'], {}, cwd=Path('/'), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "print(c.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.kill()
    until(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text())


def test_a_program_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["child", "0", str(os.getppid()), "/nowhere/program"])
    with pytest.raises(SystemExit, match="cannot run /nowhere/program"):
        child_main()


def test_what_a_dead_supervisor_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    def start(folder: str) -> subprocess.Popen[bytes]:
        null = subprocess.DEVNULL
        return start_child(["sleep", "60"], {MARK: folder}, cwd=tmp_path, stdout=null, stderr=null)

    with start(str(tmp_path)) as ours, start(f"{tmp_path}-other") as other:
        until(lambda: list(marked(tmp_path)) == [ours.pid])
        assert sweep(tmp_path) == 1
        assert ours.wait(180) == -signal.SIGKILL
        assert other.poll() is None
        other.kill()


def test_a_folder_belongs_to_one(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(Exception, match=f"in use by another .* {os.getpid()}"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_a_taken_port_and_an_unknown_host_are_problems() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert port_problem("127.0.0.1", taken.getsockname()[1])
    assert port_problem("no.such.host.invalid", 80)


@pytest.mark.parametrize(
    ("host", "url"),
    [("0.0.0.0", "http://127.0.0.1:8000"), ("::1", "http://[::1]:8000"), ("box", "http://box:8000")],
)
def test_the_url_is_one_that_this_machine_can_reach(host: str, url: str, tmp_path: Path) -> None:
    assert Stack(Settings(data_dir=tmp_path), host, 8000, None, {}, {}).url == url


def test_an_operators_own_broker_is_used(tmp_path: Path) -> None:
    stack = lay_out(Settings(data_dir=tmp_path, redis_url="redis://elsewhere/0"), "127.0.0.1", 8000)
    assert stack.valkey is None
    assert "TAGLINE_REDIS_URL" not in stack.environment


def test_the_embedded_broker_keeps_its_password_to_itself(tmp_path: Path) -> None:
    stack = lay_out(Settings(data_dir=tmp_path), "127.0.0.1", 8000)
    assert stack.valkey is not None
    assert stack.environment["TAGLINE_REDIS_URL"] == stack.valkey.url
    assert stack.valkey.password not in " ".join(stack.valkey.command())
    assert (tmp_path / "valkey" / "valkey.conf").stat().st_mode & 0o077 == 0
    assert lay_out(Settings(data_dir=tmp_path), "127.0.0.1", 8000).settings.worker_name == stack.settings.worker_name


BEATS = """
import signal, sys, time
from pathlib import Path
while True:
    Path(sys.argv[1]).touch()
    time.sleep(0.02)
"""


def _state(service: Service) -> str:
    assert service.process is not None
    return Path(f"/proc/{service.process.pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no /proc elsewhere")
def test_a_process_that_hangs_without_dying_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a supervisor: one that runs in this process would end the servers of the other tests as orphans."""
    now = [1000.0]
    monkeypatch.setattr(service_module, "monotonic", lambda: now[0])
    beat = tmp_path / "beat"
    service = Service("beats", [sys.executable, "-c", BEATS, str(beat)], {}, LogFile(tmp_path / "log"), tmp_path)
    service.heartbeat = beat
    service.start()
    try:
        until(beat.exists, what="the first beat")
        for _ in range(20):
            seen = beat.stat().st_mtime_ns
            assert not service.hangs(), "one that beats is left alone"
            until(lambda seen=seen: beat.stat().st_mtime_ns != seen, what="the next beat")
            now[0] += service_module.HANGS_S
        service.signal(signal.SIGSTOP)
        until(lambda: "T" in _state(service), what="that it stands still")
        assert not service.hangs(), "it has had no time yet"
        now[0] += service_module.HANGS_S + 1
        assert service.hangs()
    finally:
        service.signal(signal.SIGKILL)
        assert service.process is not None
        service.process.wait(180)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no /proc elsewhere")
def test_a_process_is_gone_when_its_last_thread_is() -> None:
    """Its first thread is dead, so it looks like one that only waits to be reaped; its port is still taken."""
    code = (
        "import ctypes, socket, threading, time\n"
        "taken = socket.create_server(('127.0.0.1', 0)); print(taken.getsockname()[1], flush=True)\n"
        "threading.Thread(target=time.sleep, args=(60,)).start()\n"
        f"ctypes.CDLL(None).syscall({60 if platform.machine() == 'x86_64' else 93}, 0)\n"  # exit, of one thread
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            stat = Path(f"/proc/{process.pid}/stat")
            until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z")
            assert port_problem("127.0.0.1", port)
            assert running(process.pid)
        finally:
            process.kill()
        until(lambda: not running(process.pid))
        assert not port_problem("127.0.0.1", port)
