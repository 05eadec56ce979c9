"""The `tagline` command in this process, against a server of the test."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from click.testing import CliRunner, Result

from cli.client import retries
from cli.client.connection import Client
from cli.main import main


@dataclass
class Tagline:
    """Runs commands; `pauses` are the seconds that they would have slept between tries."""

    url: str
    env: dict[str, str] = field(default_factory=dict)
    pauses: list[float] = field(default_factory=list)

    def __call__(self, *arguments: str, stdin: bytes | None = None) -> Result:
        env = {"TAGLINE_URL": self.url, "TAGLINE_API_KEY": "key", "COLUMNS": "200", **self.env}
        return CliRunner().invoke(main, arguments, input=stdin, env=env)


def quick_tagline(url: str, monkeypatch: pytest.MonkeyPatch) -> Tagline:
    """The command without its pauses."""
    tagline = Tagline(url)
    monkeypatch.setattr(retries, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(Client, "_sleep", lambda self, seconds: tagline.pauses.append(seconds))
    monkeypatch.setattr("cli.client.watch._IDLE_PAUSE_S", 0.0)
    monkeypatch.setattr("cli.client.watch._BUSY_PAUSE_S", 0.0)
    return tagline
