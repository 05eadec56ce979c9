"""The supervisor: it starts everything, keeps it running, ends it in order, and survives its own death."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cli.stack.layout import STOP_PHASES
from cli.stack.orphans import marked
from core.settings import MODELS_DIR
from tests.support.ports import listening
from tests.support.up_fixtures import PROGRAMS, Up
from tests.support.waiting import until

STOP_S = STOP_PHASES[-1][1] + 15.0  # when the last one is killed, and what a busy machine takes for that


def _all_done(up: Up, job: dict[str, object], count: int) -> None:
    done = up.finished(job)
    assert done["state"] == "completed"
    assert done["counts"] == {"total": count, "pending": 0, "succeeded": count, "failed": 0, "cancelled": 0}
    with up.client.stream("GET", f"/v1/jobs/{job['id']}/results", headers={"Accept": "application/x-ndjson"}) as answer:
        assert sum(1 for _ in answer) == count


@pytest.mark.slow
def test_it_starts_says_two_lines_and_ends_in_order(up: Up) -> None:
    up.start_and_wait()
    said = up.said()
    lines = [line for line in said.splitlines() if "not ready yet" not in line]  # which is said after half a minute
    assert len(lines) == 2, said
    assert lines[0].startswith("Tagline is ready at")
    assert f"{up.url}/login/link?token=" in lines[1]
    assert str(up.data) in said
    assert "/docs" in said
    job = up.submit(40)
    code, seconds = up.stop()
    assert (code, list(marked(up.data))) == (0, [])
    assert seconds < STOP_S
    assert not listening(up.port)
    up.start_and_wait()
    _all_done(up, job, 40)


@pytest.mark.slow
def test_whatever_dies_is_started_again_and_no_work_is_lost(up: Up) -> None:
    up.start_and_wait()
    job = up.submit(300)
    for name in PROGRAMS:
        before = up.pids(name)
        assert before, f"no process of {name}"
        for pid in before[:1]:  # the web server's own child must go with its parent
            os.kill(pid, signal.SIGKILL)
        until(lambda name=name, old=before: set(up.pids(name)) - set(old), what=f"a new {name}")
        until(lambda name=name, old=before: not set(up.pids(name)) & set(old), what=f"the end of the old {name}")
        assert f"{name} was killed by SIGKILL" in up.said()
    until(lambda: listening(up.port), what="the API")
    _all_done(up, job, 300)
    code, seconds = up.stop()
    assert (code, list(marked(up.data))) == (0, [])
    assert seconds < STOP_S


@pytest.mark.slow
def test_kill_9_of_the_whole_tree_loses_nothing(up: Up) -> None:
    up.start_and_wait()
    job = up.submit(200)
    up.kill()
    up.start_and_wait()
    _all_done(up, job, 200)


@pytest.mark.slow
def test_children_die_with_the_supervisor_and_the_next_start_works_at_once(up: Up) -> None:
    up.start_and_wait()
    job = up.submit(100)
    assert up.process is not None
    up.process.kill()
    up.process.wait()
    up.start_and_wait()
    _all_done(up, job, 100)
    up.process.kill()
    up.process.wait()
    until(lambda: not list(marked(up.data)), what="the end of the orphans")


@pytest.mark.slow
def test_damaged_broker_data_is_set_aside(up: Up) -> None:
    folder = up.data / "valkey" / "appendonlydir"
    folder.mkdir(parents=True)
    (folder / "appendonly.aof.manifest").write_text("nonsense\n")
    up.start_and_wait()
    assert "cannot read its data" in up.said()
    assert [path.name for path in (up.data / "valkey").glob("appendonlydir.broken-*")]
    _all_done(up, up.submit(8), 8)


@pytest.mark.slow
def test_a_second_one_is_refused_and_ctrl_c_ends_the_first(up: Up, tmp_path: Path) -> None:
    first = up.start(key="")
    until(lambda: "ready at" in up.said() or first.poll() is not None, what="the ready line")
    assert up.said().count("tl_") == 1, "the first key is printed once"
    refused = subprocess.run(
        [sys.executable, "-m", "cli.main", "up", "--port", "0", "--data", str(up.data)],
        capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    assert refused.returncode == 2
    assert f"process {first.pid}" in refused.stderr
    first.send_signal(signal.SIGINT)
    assert first.wait(timeout=180) == 0
    assert list(marked(up.data)) == []


def test_a_taken_port_is_said_before_anything_is_started(up: Up) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", up.port))
        taken.listen()
        assert up.start().wait(timeout=180) == 2
    assert f"cannot listen on 127.0.0.1:{up.port}" in up.said()
    assert {path.name for path in up.data.iterdir()} == {"lock"}


@pytest.mark.slow
def test_reload_serves_a_new_model_without_a_restart(up: Up, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorflow")
    from tests.support.artefacts import set_defaults, write_encoder

    models = tmp_path / "models"
    write_encoder(models)
    set_defaults(models, classify="eye")
    monkeypatch.setenv("TAGLINE_MODELS_DIR", str(models))
    up.start_and_wait()
    before = up.pids("worker")
    job = up.submit(40)
    write_encoder(models, "1.1.0", seed=2)
    asked = subprocess.run(
        [sys.executable, "-m", "cli.main", "reload", "--data", str(up.data)],
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert asked.returncode == 0, asked.stderr

    def default() -> str:
        shown = up.client.call("GET", "/v1/models")["data"]
        return next(model["id"] for model in shown if model["default"])

    until(lambda: default() == "eye@1.1.0", what="the new default")
    assert up.submit(1)["models"] == {"classify": "eye@1.1.0"}
    assert job["models"] == {"classify": "eye@1.0.0"}
    _all_done(up, job, 40)
    assert up.pids("worker") == before


@pytest.mark.slow
def test_a_child_that_cannot_use_a_setting_ends_it_all(up: Up, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model whose manifest is right and whose graph is none: only the worker finds out, and once is enough."""
    folder = tmp_path / "models" / "spam-ngram"
    shutil.copytree(MODELS_DIR / "spam-ngram", folder)
    (folder.parent / "defaults.json").write_text('{"spam": "spam-ngram"}')
    manifest = json.loads((folder / "manifest.json").read_text())
    graph = b"no graph"
    manifest["bytes"] += len(graph) - (folder / "graph.pb").stat().st_size
    manifest["files"]["graph.pb"] = hashlib.sha256(graph).hexdigest()
    (folder / "graph.pb").write_bytes(graph)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setenv("TAGLINE_MODELS_DIR", str(folder.parent))
    assert up.start().wait(timeout=180) == 2
    assert up.said().count("error: TAGLINE_MODELS_DIR: ") == 1
    assert "graph_unreadable" in up.said()
    assert "starting it again" not in up.said()
    assert list(marked(up.data)) == []
