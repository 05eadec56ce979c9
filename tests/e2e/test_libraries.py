"""Photo libraries on a real service: the guide as its reader types it, and what people type wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.stack.orphans import marked
from tests.support.photos import SAMPLES
from tests.support.ports import free_port
from tests.support.up_fixtures import KEY, Up

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "libraries.md"
BLOCK = re.compile(r"^```sh( service)?\n(.*?)^```$", re.M | re.S)
PHOTOS = ("cat.jpg", "coffee.jpg")


@dataclass
class Home:
    """A person's home on the machine of a running service."""

    folder: Path
    up: Up

    @property
    def pictures(self) -> Path:
        return self.folder / "Pictures"

    def environment(self) -> dict[str, str]:
        own = {"HOME": str(self.folder), "TAGLINE_URL": self.up.url, "TAGLINE_API_KEY": KEY, "COLUMNS": "80"}
        return {**os.environ, **own, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"}

    def type(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", script], env=self.environment(), capture_output=True, text=True, timeout=300, check=False
        )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("home")
    (folder / "Pictures").mkdir()
    for name in PHOTOS:
        shutil.copy2(SAMPLES / name, folder / "Pictures" / name)
    command = folder / "bin" / "tagline"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\ncd {ROOT} && exec {sys.executable} -m cli.main "$@"\n')
    command.chmod(0o755)
    up = Up(folder / "data", free_port())
    up.start_and_wait("--folders", str(folder / "Pictures"))
    try:
        yield Home(folder, up)
    finally:
        up.stop()
        assert not list(marked(up.data))


@pytest.mark.slow
def test_the_guide_from_a_folder_to_sidecars(home: Home) -> None:
    blocks = BLOCK.findall(GUIDE.read_text(encoding="utf-8"))
    assert [text for service, text in blocks if service] == ["tagline up --folders ~/Pictures\n"]
    before = {name: ((home.pictures / name).read_bytes(), (home.pictures / name).stat().st_mtime_ns) for name in PHOTOS}
    said = []
    scripts = [text for service, text in blocks if not service]
    for script in scripts:
        done = home.type(f"set -e\n{script}")
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}\n{home.up.said()[-3000:]}"
        assert max(map(len, done.stdout.splitlines()), default=0) <= 80, done.stdout
        said.append(done.stdout)
        if "--dry-run" in script:
            assert {path.name for path in home.pictures.iterdir() if path.suffix == ".xmp"} == {
                f"{name}.xmp" for name in PHOTOS
            }
    whole = "\n".join(said)
    assert "2 listed, 2 new" in whole
    assert "2 listed, 2 unchanged" in whole
    assert "Whiskers (yours)" in whole
    now = {name: ((home.pictures / name).read_bytes(), (home.pictures / name).stat().st_mtime_ns) for name in PHOTOS}
    assert now == before
    assert "Whiskers" in (home.pictures / "cat.jpg.xmp").read_text(encoding="utf-8")
    assert json.loads(home.type("tagline library list --json").stdout)["data"] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "code", "said"),
    [
        ("tagline library create /etc --name etc", 1, "tagline up --folders /etc"),
        ("tagline library create ~/Pictures/none", 1, "folder_not_found"),
        ("tagline library create ~/Pictures --nightly 25:00", 2, "02:00"),
        ("tagline library create ~/Pictures --window 02:00-06:00", 2, "--nightly"),
        ("tagline library create ~/Pictures --cron '0 25 * * *'", 1, "cron_invalid"),
        ("tagline library create ~/Pictures --tasks dance", 1, "unknown_task"),
        ("tagline library create ~/Pictures/cat.jpg", 2, "a folder"),
        ("tagline library run Nowhere", 1, "there is no library 'Nowhere'"),
        ("tagline library show 00000000-0000-0000-0000-000000000000", 1, "library_not_found"),
    ],
)
def test_what_people_type_wrong_is_explained(home: Home, script: str, code: int, said: str) -> None:
    done = home.type(script)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
