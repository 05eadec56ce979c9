"""The whole service as a person has it on a laptop, for everybody who looks at its pages."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.client.submit import submit_json
from core.settings import Settings
from db.engine import Database
from tests.support.photos import HELD_S, SAMPLES, photo_server
from tests.support.ports import free_port
from tests.support.up_fixtures import KEY, Up

if TYPE_CHECKING:
    from playwright.sync_api import Page


@dataclass
class Site:
    """A running `tagline up`, its database, and a web server whose photos a test may add to."""

    up: Up
    database: Database
    photos: Path  # what the web server serves
    web: str  # its base URL
    released: threading.Event  # set: it answers what is below /held/, too
    folders: Path  # libraries may be below it

    @property
    def url(self) -> str:
        return self.up.url

    def submit(self, inputs: list[Any], **fields: Any) -> str:
        """A job's id."""
        return str(submit_json(self.up.client, {"tasks": ["classify"], "inputs": inputs, **fields})["id"])

    def finished(self, *inputs: Any, **fields: Any) -> str:
        """The id of a job that has finished."""
        return str(self.up.finished({"id": self.submit(list(inputs), **fields)})["id"])

    def sign_in(self, page: Page, key: str = KEY) -> None:
        """As a person does: type the key, press Enter."""
        page.goto("/login")
        page.locator("input[name=key]").fill(key)
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: "/login" not in url)


@contextmanager
def running_site(folder: Path) -> Iterator[Site]:
    """Start it, with the shipped models; whatever is left of it ends with the block."""
    photos = folder / "photos"
    shutil.copytree(SAMPLES, photos)
    released = threading.Event()
    with photo_server(photos, released) as web:
        folders = folder / "folders"
        folders.mkdir()
        env = {
            "TAGLINE_ALLOW_HOSTS": web.removeprefix("http://"),
            "TAGLINE_FOLDERS": str(folders),
            "TAGLINE_FETCH_TIMEOUT_S": str(HELD_S + 60),
        }
        up = Up(folder / "data", free_port(), env)
        try:
            up.start_and_wait()
            database = Database(Settings(data_dir=up.data).sql_url)
            try:
                yield Site(up, database, photos, web, released, folders)
            finally:
                database.close()
        finally:
            up.end()
