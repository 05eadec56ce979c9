"""Procfile, Dockerfile, compose file and CI script name only what exists. There is no engine here to run them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from cli.main import COMMANDS, main
from core.settings import SECRETS, Settings

ROOT = Path(__file__).resolve().parents[2]
OURS = {"migrate", "api", "worker", "worker-gpu", "scheduler"}
NEEDED = ("TAGLINE_DATABASE_URL", "TAGLINE_REDIS_URL", "TAGLINE_UPLOADS_URL", "AWS_SECRET_ACCESS_KEY")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def _parse(arguments: list[str]) -> None:
    """Fail if `tagline` would not accept these arguments."""
    name, *rest = arguments
    context = click.Context(main)
    command = main.get_command(context, name)
    assert command is not None, name
    command.make_context(name, rest, parent=context)


def _stages() -> dict[str, str]:
    """The Dockerfile's stages and what each is made from."""
    return {m[2]: m[1] for m in re.finditer(r"^FROM (\S+) AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)}


def test_the_procfile_names_commands_that_exist() -> None:
    lines = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    assert set(lines) == {"release", "web", "worker", "scheduler"}
    for line in lines.values():
        program, *arguments = shlex.split(line.replace("${PORT:-8000}", "8000"))
        assert program == "tagline"
        _parse(arguments)


def test_every_service_has_what_it_needs(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == OURS | {"valkey", "postgres", "s3"}
    for name in OURS:
        service = services[name]
        _parse(service["command"])
        assert service["build"]["target"] in _stages()
        assert set(NEEDED) <= set(service["environment"])
        assert set(service.get("depends_on", {})) <= set(services)
        known = {f"TAGLINE_{field.upper()}" for field in Settings.model_fields}
        known |= {f"TAGLINE_{field.upper()}_FILE" for field in SECRETS}
        assert {key for key in service["environment"] if key.startswith("TAGLINE_")} <= known
    for name, service in services.items():
        assert name == "migrate" or service["healthcheck"]["test"]
        assert name == "migrate" or service["restart"] == "unless-stopped"
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in compose["volumes"]


def test_the_gpu_worker_is_asked_for_by_profile(compose: dict[str, Any]) -> None:
    service = compose["services"]["worker-gpu"]
    assert service["profiles"] == ["gpu"]
    [device] = service["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]


def test_no_secret_stands_in_the_compose_file(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|API_KEY|AUTH|_URL$", name) and value and "://s3" not in value:
                assert "${" in value or "s3://" in value, name


def test_the_client_accepts_the_compose_file() -> None:
    if shutil.which("docker") is None or subprocess.run(
        ["docker", "compose", "version"], capture_output=True
    ).returncode:  # fmt: skip
        pytest.skip("no docker compose here")
    secrets = dict.fromkeys(("TAGLINE_API_KEY", "POSTGRES_PASSWORD", "VALKEY_PASSWORD", "S3_SECRET_KEY"), "x")
    done = subprocess.run(
        ["docker", "compose", "--profile", "gpu", "config", "-q"],
        cwd=ROOT, env={**os.environ, **secrets}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_dockerfile_copies_what_exists_and_is_not_ignored() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    text = (ROOT / "Dockerfile").read_text()
    copied = [m[1] for m in re.finditer(r"^COPY (?!--from)(\S+) \S+$", text, re.MULTILINE)]
    assert copied
    for path in copied:
        assert (ROOT / path).exists(), path
        assert path.split("/")[0] in allowed, path


def test_images_run_as_somebody_else_than_root() -> None:
    text = (ROOT / "Dockerfile").read_text()
    stages = _stages()
    for target in ("api", "worker", "worker-gpu", "scheduler"):
        stage = target
        while stage in stages and f"AS {stage}\n" in text:
            body = text.split(f"AS {stage}\n")[1].split("\nFROM ")[0]
            if "USER tagline" in body:
                break
            stage = stages[stage]
        else:
            pytest.fail(f"{target} runs as root")
    assert "--require-hashes" in text


def test_the_ci_script_says_that_it_is_ci_and_runs_the_tests(tmp_path: Path) -> None:
    (tmp_path / "make").write_text('#!/bin/sh\necho "$CI" "$PWD" "$@"\n')
    (tmp_path / "make").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run([ROOT / ".ci" / "run"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["true", str(ROOT), "test"]


def test_every_command_can_be_imported_and_has_a_help_text() -> None:
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        assert command.help
