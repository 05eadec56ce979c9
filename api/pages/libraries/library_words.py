"""What libraries, runs and their photos are and do, as people say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from api.pages.frame.failure_words import FAILURES
from api.pages.frame.words import failed_one
from core.states import PhotoState, RunState

RUN_STATES: Final = {
    RunState.QUEUED: "Waiting",
    RunState.LISTING: "Looking through the source",
    RunState.RUNNING: "Running",
    RunState.PAUSED: "Paused until its hours begin",
    RunState.COMPLETED: "Done",
    RunState.FAILED: "Failed",
    RunState.CANCELLED: "Cancelled",
    RunState.SOURCE_FAILED: "Source not readable",
    RunState.SOURCE_SHRUNK: "Source has shrunk",
}
# As style.css colours states.
RUN_COLOURS: Final = {
    RunState.COMPLETED: "completed", RunState.FAILED: "failed", RunState.SOURCE_FAILED: "failed",
    RunState.SOURCE_SHRUNK: "failed", RunState.CANCELLED: "cancelled",
}  # fmt: skip
KINDS: Final = {
    "new": "New",
    "changed": "Changed",
    "moved": "Moved",
    "unchanged": "Run again",
    "stale": "Made anew",
    "retried": "Tried again",
    "gone": "Gone",
}
WORKED_ON: Final = ("new", "changed", "moved", "stale", "retried")
PHOTO_STATES: Final = {PhotoState.PRESENT: "Fine", PhotoState.FAILED: "Failed", PhotoState.MISSING: "No longer there"}
WHAT: Final = {
    "changed": "what is new or changed",
    "failed": "what failed, once more",
    "all": "everything anew",
    "relabel": "other labels, without reading the photos",
}
RUN_ERRORS: Final = {
    "source_shrunk": "The source lists fewer than half of the photos that were there. Nothing was changed. If that is "
    "meant, start a run that believes it; if not, see whether the disk or the bucket is all there.",
    "too_many_photos": "The source has more photos than a library may have (TAGLINE_LIBRARY_MAX_PHOTOS).",
    "source_missing": "The list of photos has not come yet.",
    "model_unknown": "A model that this library names is not installed.",
    "relabel_needs_tag": "Other labels are for libraries with tags among their tasks.",
    "relabel_unsupported": "This tagger keeps nothing to make other labels from; run everything anew instead.",
    "write_impossible": "Sidecars cannot be written where these photos are.",
    "run_stage_failed": "A part of the run failed each time it was tried. The workers' logs say more.",
}
SIDECAR_ERRORS: Final = {
    "sidecar_broken": "Its sidecar cannot be read, and was left alone.",
    "sidecar_entities": "Its sidecar declares entities, which are not read; it was left alone.",
    "sidecar_too_large": "Its sidecar is too large to be read.",
    "sidecar_too_many_labels": "Its sidecar has more labels than are read.",
    "sidecar_not_regular": "Where its sidecar should be there is a link, a folder or something else.",
    "sidecar_forbidden": "Its sidecar may not be read or written by the worker.",
    "sidecar_changed": "Another program went on changing its sidecar; it is tried again.",
    "sidecar_unavailable": "The disk or S3 did not answer for its sidecar; it is tried again.",
}
PICTURE_ERRORS: Final = {
    "photo_changed": "Changed since it was last run",
    "photo_not_listed": "The library looks elsewhere now",
}


def run_error(error: Mapping[str, Any]) -> str:
    """Why a run did not complete."""
    code = error["code"]
    if code in RUN_ERRORS:
        return RUN_ERRORS[code]
    if code in FAILURES or code.startswith("fetch_http_"):
        return f"{failed_one(code, 'source')}."
    return str(error["message"])


def sidecar_error(code: str | None) -> str:
    """Why a photo's sidecar is not up to date."""
    return SIDECAR_ERRORS.get(code or "", "Its sidecar could not be read or written.")


def picture_error(code: str | None) -> str:
    """Why there is no picture of a photo."""
    return PICTURE_ERRORS.get(code or "") or failed_one(code or "")


def run_state(state: str) -> str:
    return RUN_STATES[RunState(state)]


def run_colour(state: str) -> str:
    return RUN_COLOURS.get(RunState(state), "running")


def worked_on(counts: Mapping[str, int]) -> int:
    """How many photos a run had something to do about."""
    return sum(int(counts.get(kind, 0)) for kind in WORKED_ON)


def source_words(source: Mapping[str, Any] | None) -> tuple[str, str]:
    """What kind of place the photos are in, and which."""
    given = source or {}
    for kind, words in (("folder", "Folder"), ("s3_prefix", "S3"), ("manifest_url", "List at")):
        if kind in given:
            return words, str(given[kind])
    return ("List", "sent to this library") if "manifest" in given else ("List", "still to be sent")


FILTERS: Final = {
    "run_error": run_error, "sidecar_error": sidecar_error, "picture_error": picture_error,
    "run_state": run_state, "run_colour": run_colour, "worked_on": worked_on,
}  # fmt: skip
