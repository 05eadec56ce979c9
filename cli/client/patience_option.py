"""`--patience` of the client commands, and the client that has it."""

from __future__ import annotations

import click

from cli.client.connection import Client
from cli.client.retries import INTERACTIVE_PATIENCE_S
from cli.config import read_client_settings

patience_option = click.option(
    "--patience",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    help="How long to go on while the server does not answer.  [TAGLINE_PATIENCE_S]",
)


def open_client(patience: float | None, *, interactive: bool = False) -> Client:
    """The client of a command.

    Args:
        patience: as the option has it.
        interactive: its user waits for the answer and loses nothing if it gives up early: 90 s unless asked otherwise.
    """
    settings = read_client_settings()
    if patience is None:
        patience = min(settings.patience_s, INTERACTIVE_PATIENCE_S) if interactive else settings.patience_s
    return Client(settings, patience)
