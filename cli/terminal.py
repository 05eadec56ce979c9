"""What the command prints for people: short lines, and never an error because nobody reads them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import IO, Any

import click

_CLEAN = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if code != 0x09}


def clean(text: str) -> str:
    """Text from elsewhere without control characters, which could change what the terminal shows."""
    return text.translate(_CLEAN)


def note(text: str) -> None:
    """Something worth knowing."""
    _write(click.style(text, dim=True))


def warn(text: str) -> None:
    """Something that went wrong, without ending the command."""
    _write(click.style(text, fg="yellow"))


def quote(who: str, lines: Iterable[str], *, most: int | None = None) -> None:
    """Lines of a log, each with the name of who wrote it, and cut after `most` characters."""
    for line in lines:
        text = clean(line)
        text = text if most is None or len(text) <= most else text[: most - 1] + "…"
        _write(click.style(f"{who:>9} │ ", dim=True) + text)


def say(text: str, *, error: bool = False) -> None:
    """A plain line; on standard output unless `error`."""
    try:
        click.echo(text, err=error)
        (sys.stderr if error else sys.stdout).flush()
    except OSError:
        pass  # nobody reads it any more; the service goes on


def say_json(value: object) -> None:
    """One line of JSON on standard output, in characters that it can take."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    say(json.dumps(value, ensure_ascii=not utf8))


def _write(text: str) -> None:
    say(text, error=True)


class Failure(click.ClickException):
    """Ends the command with a message and an exit code."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(clean(message))
        self.exit_code = exit_code  # type: ignore[misc]

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the message to standard error."""
        _write(click.style("error: ", fg="red") + self.message)
