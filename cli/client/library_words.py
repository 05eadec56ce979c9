"""Libraries, runs, photos and changes in words and tables that fit a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from cli.client.confident import confident
from cli.terminal import clean

_KINDS = ("new", "changed", "moved", "stale", "retried", "unchanged", "gone", "skipped")
_WORK = ("ran", "reused", "succeeded", "failed")
_DUE = {"changed": _KINDS[:5], "failed": ("retried",), "relabel": ("stale",)}
_KEY_WIDTH = 30
_LABELS = 12  # of a photo, in a table
View = Mapping[str, Any]


def what_it_met(run: View) -> str:
    """What a run found in its source: "7 listed, 1 new, 6 unchanged"."""
    counts = run["counts"]
    return ", ".join([f"{counts['listed']:,} listed", *_counted(counts, _KINDS)])


def what_it_did(run: View) -> str:
    """What became of the photos that were due; of a dry run, what would be run."""
    if run["dry_run"]:
        return _would_do(run)
    return ", ".join(_counted(run["counts"], _WORK)) or "nothing to do"


def _would_do(run: View) -> str:
    """A dry run counts what is known already as reused, and nothing of what models would have to see."""
    counts = run["counts"]
    due = counts["listed"] if run["what"] == "all" else sum(counts[kind] for kind in _DUE[run["what"]])
    left = min(due, run["limit"] or due) - counts["succeeded"] - counts["failed"]
    words = "would be labelled anew" if run["what"] == "relabel" else "would be run"
    return ", ".join([*([f"{left:,} {words}"] if left > 0 else []), *_counted(counts, _WORK)]) or "nothing to do"


def _counted(counts: Mapping[str, int], names: Iterable[str]) -> list[str]:
    return [f"{counts[name]:,} {name}" for name in names if counts[name]]


def source_of(library: View) -> str:
    """Where a library's photos are."""
    source = library["source"]
    if source is None:
        return "none yet"
    [(kind, value)] = source.items()
    if kind == "manifest":
        return f"a list of {value['photos']:,} photos, sent {day_of(value['sent_at'])}"
    return clean(str(value))


def schedule_of(library: View) -> str:
    """When a library is run."""
    schedule = library["schedule"]
    if schedule is None:
        return "by hand"
    window = f", within {schedule['window']}" if schedule["window"] else ""
    return f"{schedule['cron']} ({schedule['timezone'] or 'UTC'}{window})"


def day_of(time: str | None) -> str:
    """A time of the API to the minute, in UTC."""
    return time[:16].replace("T", " ") if time else ""


def library_table(libraries: Iterable[View]) -> Table:
    """Libraries, one row each."""
    table = _table("name", "source", "next run (UTC)")
    for library in libraries:
        table.add_row(
            Text(clean(library["name"])), Text(source_of(library)),
            Text(day_of(library["next_run_at"]) or "by hand", no_wrap=True),
        )  # fmt: skip
    return table


def run_table(runs: Iterable[View]) -> Table:
    """Runs, one row each."""
    table = _table("started (UTC)", "state", "what it met")
    for run in runs:
        state = f"{run['state']}{' (dry)' if run['dry_run'] else ''}{' (undone)' if run['undone_at'] else ''}"
        said = run["error"]["code"] if run["error"] else f"{what_it_met(run)}; {what_it_did(run)}"
        table.add_row(Text(day_of(run["created_at"]), no_wrap=True), Text(state), Text(clean(said)))
    return table


def photo_table(photos: Iterable[View], *, every: bool = False) -> Table:
    """Photos with their labels and captions, one row each; `every`: labels below 0.5, too."""
    table = _table("photo", "what it shows")
    for photo in photos:
        table.add_row(Text(clean(photo["key"])), _shown(photo, every))
    return table


def found_table(photos: Iterable[View], *, every: bool = False) -> Table:
    """As `photo_table`, with the scores of a search."""
    table = _table("score", "photo", "what it shows")
    for photo in photos:
        table.add_row(Text(f"{photo['score']:.2f}"), Text(clean(photo["key"])), _shown(photo, every))
    return table


def change_table(changes: Iterable[View]) -> Table:
    """What a run changed, one row each: labels that came and went, and a caption that is another."""
    table = _table("photo", "why", "labels and caption")
    for change in changes:
        table.add_row(Text(clean(change["key"])), Text(clean(change["why"] or change["kind"])), change_text(change))
    return table


def change_text(change: View) -> Text:
    """The diff of one photo."""
    if change["error"]:
        return Text(clean(f"{change['error']['code']}: {change['error']['message'] or ''}"), style="red")
    text = Text()
    for sign, name, style in (("+", "added", "green"), ("-", "removed", "red")):
        for label in change[name][:_LABELS]:
            text.append(f"{'  ' if text else ''}{sign}{clean(label)}", style=style)
        if len(change[name]) > _LABELS:
            text.append(f"  and {len(change[name]) - _LABELS} more", style="dim")
    caption = change["caption"]
    if caption["before"] != caption["after"]:
        text.append("\n" if text else "")
        text.append(f"“{clean(caption['after'] or '')}”")
    return text


def _shown(photo: View, every: bool) -> Text:
    text = Text(f"{photo['state']}  ", style="red") if photo["state"] != "present" else Text()
    if photo.get("sidecar_error"):
        text.append(f"{clean(photo['sidecar_error']['code'] or '')}  ", style="red")
    labels: Sequence[View] = confident(photo["labels"], every=every)
    for rank, label in enumerate(labels if every else labels[:_LABELS]):
        text.append(", " if rank else "")
        text.append(clean(label["label"]), style="bold" if label["by"] == "person" else "")
        text.append(f" {label['score']:.2f}" if label["score"] is not None else " (yours)", style="dim")
    if photo["caption"]:
        text.append("\n" if text else "")
        text.append(f"“{clean(photo['caption']['text'])}”", style="dim")
    return text


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        narrow = column in ("photo", "name", "why")
        table.add_column(column, overflow="fold", max_width=_KEY_WIDTH if narrow else None)
    return table
