"""`tagline library photos` and `tagline library search`."""

from __future__ import annotations

import click
from rich.console import Console

from cli.client.confident import all_labels_option
from cli.client.json_option import json_option
from cli.client.library_names import find_library, pages, path_of
from cli.client.library_words import found_table, photo_table
from cli.client.patience_option import open_client, patience_option
from cli.client.pipes import quiet_broken_pipe
from cli.terminal import note, say_json

_ROWS, _FOUND = 50, 10


@click.command("photos")
@click.argument("name", metavar="NAME")
@click.option("--label", help="Those that it stands at.")
@click.option("--by", type=click.Choice(["model", "person"]), help="Who gave the label, or any.")
@click.option("--state", type=click.Choice(["present", "failed", "missing"]), help="Only these.")
@click.option("--q", metavar="WORDS", help="Words of the path or the caption.")
@click.option("--limit", type=click.IntRange(1), help=f"Most rows; {_ROWS} in a table, all with --json.")
@all_labels_option
@json_option
@patience_option
def photos(
    name: str,
    label: str | None,
    by: str | None,
    state: str | None,
    q: str | None,
    limit: int | None,
    all_labels: bool,
    as_json: bool,
    patience: float | None,
) -> None:
    """List a library's photos with their labels and captions."""
    client = open_client(patience, interactive=True)
    path = path_of(find_library(client, name)["links"]["photos"])
    found = pages(client, path, limit or (None if as_json else _ROWS), label=label, by=by, state=state, q=q)
    with quiet_broken_pipe():
        if as_json:
            say_json(found)
            return
        Console().print(photo_table(found["data"], every=all_labels))
        if found["next_cursor"]:
            note("there are more; --limit shows them")


@click.command("search")
@click.argument("name", metavar="NAME")
@click.argument("words", metavar="WORDS...", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1), default=_FOUND, show_default=True, help="Most rows.")
@all_labels_option
@json_option
@patience_option
def search(
    name: str, words: tuple[str, ...], limit: int, all_labels: bool, as_json: bool, patience: float | None
) -> None:
    """Find photos by what is to be seen in them: `tagline library search Pictures red car on a beach`."""
    client = open_client(patience, interactive=True)
    path = path_of(find_library(client, name)["links"]["search"])
    found = pages(client, path, limit, q=" ".join(words))
    with quiet_broken_pipe():
        if as_json:
            say_json(found)
        elif found["data"]:
            Console().print(found_table(found["data"], every=all_labels))
        else:
            note("there is nothing to search yet; `tagline library run` comes first")
