"""The demo's second act: a photo library on two nights, with a correction by hand between them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps
from rich.console import Console

from cli.client.connection import JSON, Client
from cli.client.library_names import make, pages, path_of
from cli.client.library_run_commands import wait_for_run
from cli.client.library_words import change_table, what_it_met
from cli.terminal import clean, note, say, warn

TASKS = ("tag", "caption")
OPTIONS = {"tag": {"top_k": 5}}
YOURS = "shown in a demo"
View = dict[str, Any]


def show_library(client: Client, folder: Path, photos: Sequence[Path], tasks: Sequence[str]) -> bool:
    """Run a library of all photos but the last twice, and show what the second run changed; True if something is wrong.

    Args:
        folder: for the library's photos; the server may read it.
        photos: at least three.
        tasks: the image tasks that can be asked for.
    """
    *first, last = photos
    folder.mkdir()
    for path in first:
        shutil.copyfile(path, folder / path.name)
    wanted = [task for task in tasks if task in TASKS] or list(tasks)
    options = {task: OPTIONS[task] for task in wanted if task in OPTIONS}
    fields = {"name": "demo", "source": {"folder": str(folder)}, "tasks": wanted, "options": options}
    library = make(client, "/v1/libraries", fields)
    say(f"A photo library of {len(first)} of them, looked at tonight:")
    before = _night(client, library)
    changed, moved = folder / first[0].name, folder / first[1].name
    removed = _correct(client, library, _photo(client, library, changed.name))
    say(f"By day {last.name} is added, {changed.name} is mirrored and {moved.name} renamed,")
    say(f"you take “{clean(removed)}” off {changed.name}, and “{YOURS}” stands there now.")
    say("Tomorrow night:")
    shutil.copyfile(last, folder / last.name)
    mirrored = ImageOps.mirror(Image.open(changed))
    mirrored.save(changed, quality=90)
    moved.rename(folder / f"renamed-{moved.name}")
    run = _night(client, library)
    labels = [label["label"] for label in _photo(client, library, changed.name)["labels"]]
    stands = labels[:1] == [YOURS] and removed not in labels
    Console().print(change_table(pages(client, path_of(run["links"]["changes"]))["data"]))
    word = "your correction stands" if stands else "your correction is lost"
    say(f"{what_it_met(run)}; {word}")
    return not stands or any(one["state"] != "completed" or one["counts"]["failed"] for one in (before, run))


def _night(client: Client, library: View) -> View:
    run = wait_for_run(client, make(client, path_of(library["links"]["runs"]), {}))
    if run["error"]:
        warn(f"{run['state']}: {clean(str(run['error']['message']))}")
    note(f"{run['state']}: {what_it_met(run)}")
    return run


def _photo(client: Client, library: View, key: str) -> View:
    every = pages(client, path_of(library["links"]["photos"]))["data"]
    found: View = next(photo for photo in every if photo["key"] == key)
    return found


def _correct(client: Client, library: View, photo: View) -> str:
    """Remove a photo's best label and add another; the label that was removed."""
    best = str(photo["labels"][0]["label"]) if photo["labels"] else "nothing"
    path = f"{path_of(library['links']['photos'])}/{photo['id']}/labels"
    body = json.dumps({"add": [YOURS], "remove": [best]}).encode()
    client.call("PUT", path, body=body, headers={"Content-Type": JSON})
    return best
