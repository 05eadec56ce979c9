"""Every command and every process looks at its settings first: exit code 2, and one line that says what to write."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner

import cli.stack.up
from cli.main import COMMANDS, main
from cli.stack.layout import Stack, lay_out
from cli.stack.logfiles import LogFile
from cli.stack.service import Service
from cli.stack.supervisor import Supervisor, WrongSettings
from core import surroundings
from core.settings import MODELS_DIR, Settings, load_settings
from core.settings_checks import SettingsError
from core.surroundings import check_surroundings
from tests.support.ports import free_port

CLIENTS = {
    "submit": "submit http://a.example/1.jpg --tasks classify",
    "library": "library list",
    **{name: f"{name} 0190a1b2-0000-7000-8000-000000000000" for name in ("status", "results", "cancel")},
}
SERVERS = {
    **{name: name for name in ("reload", "doctor", "demo", "migrate", "worker", "scheduler")},
    "up": "up --port 0",
    "keys": "keys list",
    "api": "api --port 1",
}


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("TAGLINE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TAGLINE_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def handlers() -> Iterator[None]:
    """What the demo changes in its process, put back afterwards."""
    before, environment = signal.getsignal(signal.SIGTERM), dict(os.environ)
    yield
    signal.signal(signal.SIGTERM, before)
    os.environ.clear()
    os.environ.update(environment)


def test_the_folders_of_up_are_made_absolute_and_handed_to_every_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if a process gets a path that means something else in the data folder, or the option is not the setting."""
    given: list[Stack] = []
    monkeypatch.setattr(cli.stack.up, "run_up", lambda settings, *_, **__: given.append(lay_out(settings, "", 1)))
    monkeypatch.setenv("TAGLINE_FOLDERS", "/srv/other")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Pictures").mkdir()
    (tmp_path / "more").mkdir()
    for options in ("--folders Pictures/ --folders ./more", f"--folders Pictures,{tmp_path}/more"):
        done = CliRunner().invoke(main, ["up", *options.split()])
        assert done.exit_code == 0, done.output
        for service in given.pop().tagline_services():
            assert service.environment["TAGLINE_FOLDERS"] == f"{tmp_path}/Pictures,{tmp_path}/more"
    assert "--folders" in one_line("up --folders Pictures --folders none")


def one_line(command: str) -> str:
    done = CliRunner().invoke(main, command.split())
    assert done.exit_code == 2, (command, done.output)
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, (command, done.stderr)
    return done.stderr


def test_the_lists_name_every_command() -> None:
    assert set(CLIENTS) | set(SERVERS) == set(COMMANDS)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("command", SERVERS)
def test_a_wrong_setting_ends_every_command(command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in (
        ("LOG_LEVEL", "loud"),
        ("FETCH_TIMEOUT_S", "soon"),
        ("MODELS_DIR", str(tmp_path / "nowhere")),
        *(() if command == "demo" else (  # it has an environment of its own for these
            ("ALLOW_HOSTS", "nas.local"),
            ("UPLOADS_URL", "/srv/uploads"),
            ("REDIS_URL", "localhost:6379"),
            ("DATABASE_URL", "tagline.db"),
            ("WEBHOOK_SECRET", "hunter2"),
            ("API_KEY_FILE", str(tmp_path / "nowhere")),
        )),
    ):  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setenv(f"TAGLINE_{name}", value)
            assert f"error: TAGLINE_{name}: " in one_line(SERVERS[command])
    assert not (tmp_path / "data").exists(), "nothing was made before the settings were right"


@pytest.mark.parametrize("command", CLIENTS)
def test_client_commands_look_at_theirs_alone(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAGLINE_LOG_LEVEL", "loud")
    for name, value in (("URL", "localhost:8000"), ("API_KEY", "two words"), ("API_KEY_FILE", "/nowhere")):
        with monkeypatch.context() as patch:
            patch.setenv(f"TAGLINE_{name}", value)
            assert f"error: TAGLINE_{name}: " in one_line(CLIENTS[command])


def test_a_mistyped_variable_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAGLINE_BATCHSIZE", "8")
    done = CliRunner().invoke(main, ["migrate"])
    assert done.exit_code == 0
    assert done.stderr.splitlines()[0] == (
        "TAGLINE_BATCHSIZE is no setting and does nothing; did you mean TAGLINE_BATCH_SIZE?"
    )
    done = CliRunner().invoke(main, CLIENTS["status"].split(), env={"TAGLINE_URL": f"http://127.0.0.1:{free_port()}"})
    assert done.stderr.count("TAGLINE_BATCHSIZE") == 1


DIRECT = {
    "celery": ["celery", "--quiet", "--app", "worker.process.celery_app", "worker", "--pool", "threads"],
    "granian": ["granian", "--interface", "asgi", "--port", "0", "--log-level", "warning", "api.http.asgi:app"],
    "scheduler": ["scheduler.main"],
    "migrate": ["db.migrate"],
    "prepare": ["cli.stack.prepare"],
}


def test_programs_that_are_started_without_the_command_end_at_once() -> None:
    environment = {**os.environ, "TAGLINE_ALLOW_HOSTS": "nas.local"}
    pipe = subprocess.PIPE
    running = {
        program: subprocess.Popen(
            [sys.executable, "-m", *command], env=environment, stdout=pipe, stderr=pipe, text=True
        )
        for program, command in DIRECT.items()
    }
    for program, process in running.items():
        out, said = process.communicate(timeout=300)
        assert process.returncode == (1 if program == "granian" else 2), program  # granian has a code of its own
        assert said.count("error: TAGLINE_ALLOW_HOSTS: 'nas.local' is not host:port") == 1, program
        assert "Traceback" not in out + said, program


# What the settings lead to


def models(folder: Path, defaults: str | None, *, whole: bool = True) -> Path:
    folder.mkdir()
    shutil.copytree(MODELS_DIR / "spam-ngram", folder / "spam-ngram")
    if not whole:
        (folder / "spam-ngram" / "graph.pb").write_bytes(b"x")
    if defaults is not None:
        (folder / "defaults.json").write_text(defaults)
    return folder


@pytest.mark.parametrize(
    ("defaults", "whole", "said"),
    [
        (None, True, "no defaults.json"),
        ("{}", True, "no defaults.json that names"),
        ("{", True, "defaults_invalid"),
        ('{"spam": "nobody"}', True, "model_unknown"),
        ('{"classify": "spam-ngram"}', True, "model_wrong_task"),
        ('{"spam": "spam-ngram"}', False, "file_hash"),
    ],
)
def test_models_that_cannot_serve(defaults: str | None, whole: bool, said: str, tmp_path: Path) -> None:
    folder = models(tmp_path / "models", defaults, whole=whole)
    with pytest.raises(SettingsError, match=f"^TAGLINE_MODELS_DIR: {folder} .*{said}") as caught:
        check_surroundings(load_settings(models_dir=folder), ["models"])
    assert "\n" not in str(caught.value)
    check_surroundings(load_settings(models_dir=folder), ["database"])  # for those who use none


def test_models_that_can(tmp_path: Path) -> None:
    folder = models(tmp_path / "models", '{"spam": "spam-ngram"}')
    check_surroundings(load_settings(models_dir=folder), ["data", "models", "runtime"])


@pytest.mark.parametrize("runtime", get_args(Settings.model_fields["runtime"].annotation))
def test_every_runtime_is_there_or_is_said_not_to_be(runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(runtime=runtime)
    monkeypatch.setattr(surroundings, "find_spec", lambda name: object())
    check_surroundings(settings, ["runtime"])
    monkeypatch.setattr(surroundings, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"^TAGLINE_RUNTIME: .* not installed"):
        check_surroundings(settings, ["runtime"])


def test_a_data_folder_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        settings = load_settings(data_dir=folder)
        for need in ("data", "database", "uploads"):
            with pytest.raises(SettingsError, match=f"^TAGLINE_DATA_DIR: {folder} "):
                check_surroundings(settings, [need])  # type: ignore[list-item]
        elsewhere = load_settings(data_dir=folder, database_url="postgresql://h", uploads_url="s3://bucket")
        check_surroundings(elsewhere, ["database", "uploads"])
    with pytest.raises(SettingsError, match=r"^TAGLINE_DATABASE_URL: "):
        check_surroundings(load_settings(database_url=f"sqlite:///{tmp_path}/none/t.db"), ["database"])
    assert [path.name for path in tmp_path.iterdir()] == ["file"], "looking makes nothing"


# Under the supervisor

SAYS = "import sys; sys.exit('error: TAGLINE_MODELS_DIR: no good; write another')"


def test_the_supervisor_does_not_start_it_again(tmp_path: Path) -> None:
    supervisor = Supervisor(verbose=False)
    supervisor.add(Service("worker", [sys.executable, "-c", SAYS], {}, LogFile(tmp_path / "x.log"), tmp_path))
    with pytest.raises(WrongSettings, match=r"^TAGLINE_MODELS_DIR: no good; write another$"):
        supervisor.wait_until(lambda: False)
    assert (tmp_path / "x.log").read_text().count("TAGLINE") == 1


def test_what_has_worked_once_is_started_again(tmp_path: Path) -> None:
    """A model that somebody removes under a running service may come back."""
    supervisor = Supervisor(verbose=False)
    supervisor.ready = True
    supervisor.add(Service("worker", [sys.executable, "-c", SAYS], {}, LogFile(tmp_path / "x.log"), tmp_path))
    supervisor.wait_until(lambda: (tmp_path / "x.log").read_text().count("TAGLINE") == 2)
    supervisor.stop([(["worker"], 10.0)])
