"""`tagline library photos` and `tagline library search`."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.console import Console

from cli.client.confident import all_labels_option
from cli.client.connection import JSON, Client
from cli.client.json_option import json_option
from cli.client.library_names import find_library, pages, path_of
from cli.client.library_words import found_table, photo_table
from cli.client.patience_option import open_client, patience_option
from cli.client.pipes import quiet_broken_pipe
from cli.terminal import Failure, note, say_json

_ROWS, _FOUND = 50, 10
_LONGEST = 200  # of what photos can be asked for by


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


@click.command("correct")
@click.argument("name", metavar="NAME")
@click.argument("photo", metavar="PHOTO")
@click.option("--add", multiple=True, metavar="LABEL", help="A label that stays whatever later runs say.")
@click.option("--remove", multiple=True, metavar="LABEL", help="A label that never comes back.")
@click.option("--caption", metavar="TEXT", help='What it is called; "" gives it back to the model.')
@json_option
@patience_option
def correct(
    name: str,
    photo: str,
    add: tuple[str, ...],
    remove: tuple[str, ...],
    caption: str | None,
    as_json: bool,
    patience: float | None,
) -> None:
    """Correct a photo, named by its path below the source or its id; your word stands against every later run."""
    if not add and not remove and caption is None:
        raise Failure("say what is wrong: --add, --remove or --caption", 2)
    client = open_client(patience, interactive=True)
    path = path_of(find_library(client, name)["links"]["photos"])
    found = _find_photo(client, path, photo)
    if add or remove:
        found = _put(client, f"{path}/{found['id']}/labels", {"add": list(add), "remove": list(remove)})
    if caption is not None:
        found = _put(client, f"{path}/{found['id']}/caption", {"text": caption or None})
    if as_json:
        say_json(found)
    else:
        Console().print(photo_table([found]))


def _find_photo(client: Client, path: str, named: str) -> dict[str, Any]:
    words = named if len(named) <= _LONGEST and named.strip() else None
    for photo in pages(client, path, q=words)["data"]:
        if photo["key"] == named:
            return dict(photo)
    if named.isascii() and named.isdigit():
        return dict(client.call("GET", f"{path}/{named}"))
    raise Failure(f"there is no photo {named[:100]!r}; `tagline library photos` lists them (photo_not_found)")


def _put(client: Client, path: str, edit: dict[str, Any]) -> dict[str, Any]:
    """Edits may be sent twice: the second time nothing is left to change."""
    return dict(client.call("PUT", path, body=json.dumps(edit).encode(), headers={"Content-Type": JSON}))
