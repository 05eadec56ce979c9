"""The tree and what is written about it: names that lead somewhere, files of one size, rooms that say what they are."""

from __future__ import annotations

import ast
import os
import re
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from itertools import groupby
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[2]
PASSING = {"build", "data", "dist", "runs", "shared", "tagline-data"}  # folders that come and go as things are run


def files_of_the_tree() -> Iterator[str]:
    """Every file of the repository, from its root; nothing that was made by running things in it."""
    for folder, subfolders, names in os.walk(ROOT):
        passing = PASSING if folder == str(ROOT) else ()
        hidden = [one for one in subfolders if one.startswith((".", "__pycache__")) or one.endswith(".egg-info")]
        subfolders[:] = [one for one in subfolders if one not in passing and one not in hidden]
        yield from (str(PurePosixPath(os.path.relpath(folder, ROOT)) / name) for name in names)


FILES = sorted(files_of_the_tree())
TREE = {*FILES, *(str(folder) for file in FILES for folder in PurePosixPath(file).parents if str(folder) != ".")}
TOP = {file.partition("/")[0] for file in FILES if "/" in file}
PACKAGES = ("api", "bench", "cli", "core", "db", "jobs", "libraries", "scheduler", "training", "worker")
MODULES = {
    file.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for file in FILES if file.endswith(".py")
}
DOCUMENTS = [file for file in FILES if file.endswith(".md") and file != "CHANGELOG.md"]
SOURCES = [
    file
    for file in FILES
    if file.endswith((".py", ".toml", ".yml")) or file in ("Makefile", "Procfile", ".env.example")
]
MADE_BY_READERS = ("models/big-teller", "runs/caption_own")  # paths that a guide has its reader make
MOST_LINES = 300


def exists(path: str, folder: str = "") -> bool:
    """Whether a path leads to something: `.py` may be left out, and a word in capitals stands for any name."""
    pattern = re.sub(r"(?<![A-Za-z])[A-Z]{3,}(?![a-z])", "*", path.strip("/"))
    places = [pattern, f"{folder}/{pattern}", *([] if "/" in pattern else [f"*/{pattern}"])]
    return any(fnmatch(one, place) or fnmatch(one, f"{place}.py") for place in places for one in TREE)


def module_exists(name: str) -> bool:
    """Whether a dotted name is a module of ours, or something that one defines."""
    parts = name.split(".")
    known = next((at for at in range(len(parts), 0, -1) if ".".join(parts[:at]) in MODULES), 0)
    if known == len(parts):
        return True
    module = "/".join(parts[:known])
    text = next(((ROOT / file).read_text() for file in (f"{module}.py", f"{module}/__init__.py") if file in TREE), "")
    return known > 1 and all(re.search(rf"\b{part}\b", text) for part in parts[known:])


def words_of(text: str) -> Iterator[str]:
    """What a document shows as code: the words between backquotes and in fenced blocks."""
    for span in re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL):
        for word in re.split(r"[\s\"'(){}<>|=,;]+", span.strip("`")):
            yield word.removesuffix(".").removesuffix(":")


def dead_names(document: str, text: str) -> Iterator[str]:
    """Paths, modules and links of a document that lead nowhere."""
    folder = str(PurePosixPath(document).parent)
    for word in words_of(text):
        top = word.partition("/")[0]
        ours = "/" in word and (top in TOP or f"{folder}/{top}" in TREE) and re.fullmatch(r"[\w./@*-]+", word)
        if (ours or re.fullmatch(r"\w+\.py", word)) and not word.startswith(MADE_BY_READERS):
            if not exists(word, folder):
                yield word
        elif re.fullmatch(rf"({'|'.join(PACKAGES)}|tests)(\.\w+)+", word) and not module_exists(word):
            yield word
    for target in re.findall(r"\]\(([^)#\s]+)\)", text):
        if not re.match(r"[a-z]+:", target) and not (ROOT / folder / target).exists():
            yield target


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_a_document_names_is_there(document: str) -> None:
    """Fails if a file is moved, or a page names one that never was."""
    assert sorted(set(dead_names(document, (ROOT / document).read_text()))) == []


def test_files_that_comments_name_are_there() -> None:
    """Fails if a file is moved and a comment or a setting still names its old place."""
    dead = []
    for file in SOURCES:
        for path in re.findall(r"(?<![\w./-])((?:[\w-]+/)+[\w.-]+\.(?:py|md))\b", (ROOT / file).read_text()):
            if path.partition("/")[0] in TOP and file != "tests/unit/test_structure.py" and not exists(path):
                dead.append(f"{file}: {path}")
    assert dead == []


def test_names_that_lead_nowhere_are_found() -> None:
    text = (
        "`worker/http_client.py` [gone](docs/gone.md) `core/imaging` `core.nothing.here` `base.py`\n"
        "```\ncat docs/no.md\n```\n"
        "`core/tasks.py` `core/tasks` [there](README.md) `core.tasks` `db.jobs.create_job` `training/TASK/TASK_run.py`"
    )
    dead = ["base.py", "core.nothing.here", "core/imaging", "docs/gone.md", "docs/no.md", "worker/http_client.py"]
    assert sorted(set(dead_names("README.md", text))) == dead


def test_decisions_are_headed_alike() -> None:
    """By the number that their file has, as other documents name them."""
    pages = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    headings = {page.name: page.read_text().partition("\n")[0] for page in pages}
    assert [name for name, heading in headings.items() if not heading.startswith(f"# {name[:4]}: ")] == []


def test_files_are_short() -> None:
    """A file of more than 300 lines holds more than one idea."""
    code = [file for file in FILES if file.endswith(".py") and not file.startswith("tests/")]
    lengths = {file: len((ROOT / file).read_text().splitlines()) for file in code}
    assert {file: lines for file, lines in lengths.items() if lines > MOST_LINES} == {}


@pytest.mark.parametrize("top", [*PACKAGES, "tests"])
def test_no_two_files_of_a_folder_share_a_name(top: str) -> None:
    """Fails if an editor's list of open files would show two of the same name."""
    names = Counter(PurePosixPath(file).name for file in FILES if file.startswith(f"{top}/") and file.endswith(".py"))
    assert [name for name, count in names.items() if count > 1 and name != "__init__.py"] == []


def test_few_files_share_a_name() -> None:
    """Four files of one name say in a traceback or a tab nothing of where one is."""
    names = Counter(PurePosixPath(file).name for file in FILES if file.endswith(".py") and file.startswith(PACKAGES))
    assert [name for name, count in names.items() if count > 3 and name != "__init__.py"] == []


def rooms() -> list[str]:
    """Every folder of code."""
    found = {str(PurePosixPath(file).parent) for file in FILES if file.endswith(".py")}
    return sorted(folder for folder in found if folder.partition("/")[0] in PACKAGES)


def test_every_room_says_what_it_is() -> None:
    for room in rooms():
        assert f"{room}/__init__.py" in TREE
        assert ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text())), f"{room} has no docstring"


def test_contributing_shows_every_room_and_the_walk_enters_none_twice() -> None:
    """Fails if a room is added without a word about it, or the walk of an input leaves a room and comes back."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    tree, walk = (text.split(f"## {title}\n")[1].split("\n## ")[0] for title in ("Rooms", "The walk of one input"))
    missing = [room for room in rooms() if room.count("/") < 2 and not re.search(rf"^\| `{room}/`", tree, re.MULTILINE)]
    assert missing == []
    steps = [str(PurePosixPath(step).parent) for step in re.findall(r"^\d+\. `([\w/]+)`", walk, re.MULTILINE)]
    entered = [room for room, _ in groupby(room for room in steps if room != "db")]
    assert len(steps) > 10
    assert [room for room, times in Counter(entered).items() if times > 1] == []
