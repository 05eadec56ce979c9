"""Numbers, times and codes as people say them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from api.pages.frame.failure_words import FAILURES, Words
from core.states import JobState

FETCH_STATUS = re.compile(r"fetch_http_(\d{3})")
VERDICTS: Final = {
    "en": "English", "fr": "French", "es": "Spanish",
    "ham": "Not spam", "spam": "Spam", "positive": "Positive", "negative": "Negative",
}  # fmt: skip
STATE_WORDS: Final = {
    JobState.QUEUED: "Waiting",
    JobState.RUNNING: "Running",
    JobState.COMPLETED: "Done",
    JobState.FAILED: "Failed",
    JobState.CANCELLED: "Cancelled",
    JobState.EXPIRED: "Out of time",
}
_BLANKS: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters by their category, and nothing to see
UNKNOWN = Words("could not be done", "The message says more.")


def failure(code: str, count: int = 1, noun: str = "photo") -> str:
    """What failed, as a sentence without its full stop: "3 photos could not be fetched: the server said 404"."""
    return f"{counted(count, noun)} {_happened(code, count)}"


def failed_one(code: str, noun: str = "photo") -> str:
    """As `failure`, of the one that stands there: "This photo is damaged"."""
    return f"This {noun} {_happened(code, 1)}"


def advice(code: str) -> str:
    """What to do about a failure, as a sentence."""
    return _words(code).do


def _happened(code: str, count: int) -> str:
    verb, _, rest = _words(code).what.partition(" ")
    many, _, one = verb.partition("/")
    return f"{one if one and count == 1 else many} {rest}"


def _words(code: str) -> Words:
    status = FETCH_STATUS.fullmatch(code)
    if status is None:
        return FAILURES.get(code, UNKNOWN)
    number = int(status[1])
    try:
        said = f"{number} ({HTTPStatus(number).phrase})"
    except ValueError:
        said = str(number)
    do = "Try again later." if number in (408, 425, 429) or number >= 500 else "Check whether the address still works."
    if number in (401, 403):
        do = "The server wants a sign-in. Give addresses that anybody may open, or signed ones."
    return Words(f"could not be fetched: the server said {said}", do)


def counted(count: int, noun: str) -> str:
    """1 photo, 3 photos, 12,345 photos."""
    plural = noun[:-1] + "ies" if noun.endswith("y") and noun[-2] not in "aeiou" else noun + "s"
    return f"{count:,} {noun if count == 1 else plural}"


def percent(part: float | None, digits: int = 0) -> str:
    """.6664 is 67 %, or 66.6 % with a digit; what is not all is never called 100 %."""
    if part is None:
        return ""
    if 0 < part * 100 < 10**-digits / 2:
        return f"< {10**-digits:g} %"
    shown = f"{part * 100:.{digits}f}"
    whole = f"{100:.{digits}f}"
    if shown == whole and part < 1:
        shown = f"{100 - 10**-digits:.{digits}f}"
    return f"{shown} %"


def score(value: float | None) -> str:
    """A score from 0 to 1 with two digits."""
    return "" if value is None else f"{value:.2f}"


def size(count: float | None) -> str:
    """Bytes: 512 bytes, 1.5 kB, 3.2 GB."""
    if count is None:
        return ""
    if count < 1000:
        return f"{count:.0f} bytes"
    units = iter(("kB", "MB", "GB", "TB"))
    unit, count = next(units), count / 1000
    while count >= 999.5 and unit != "TB":
        unit, count = next(units), count / 1000
    return f"{count:.1f} {unit}" if count < 10 else f"{count:,.0f} {unit}"


def duration(seconds: float | None) -> str:
    """8 seconds, 5 minutes, 2 h 10 min, 3 days."""
    if seconds is None:
        return ""
    if seconds < 90:
        return counted(round(seconds), "second")
    minutes = round(seconds / 60)
    if minutes < 90:
        return counted(minutes, "minute")
    hours, left = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {left} min" if left else f"{hours} h"
    return counted(round(hours / 24), "day")


def moment(time: str | int | float | None) -> str:
    """A time as ISO 8601 or in milliseconds since 1970: 26 Nov 2026, 14:05 UTC."""
    if time is None or time == "":
        return ""
    when = datetime.fromisoformat(time) if isinstance(time, str) else datetime.fromtimestamp(time / 1000, UTC)
    return f"{when.astimezone(UTC):%-d %b %Y, %H:%M} UTC"


def ago(time: str | int | float | None) -> str:
    """How long ago a time was: "5 minutes ago"; "in 5 minutes" of one to come."""
    if time is None or time == "":
        return ""
    when = datetime.fromisoformat(time) if isinstance(time, str) else datetime.fromtimestamp(time / 1000, UTC)
    passed = (datetime.now(UTC) - when).total_seconds()
    if abs(passed) < 5:
        return "just now"
    return f"{duration(passed)} ago" if passed > 0 else f"in {duration(-passed)}"


def verdict(label: str) -> str:
    """A label of a text task as people say it; any other as it is."""
    return VERDICTS.get(label, label)


def named(text: str, otherwise: str) -> str:
    """A stranger's name for something, or another name if no letter of it can be seen: links and headings must show
    something, and spaces, bidi controls, zero-width signs and fillers show nothing."""
    return text if any(_is_seen(sign) for sign in text) else otherwise


def _is_seen(sign: str) -> bool:
    kind = unicodedata.category(sign)
    return kind[0] not in "ZM" and kind not in ("Cc", "Cf", "Cs") and sign not in _BLANKS


def number(value: float) -> str:
    """12,345."""
    return f"{value:,}"


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "failure": failure, "failed_one": failed_one,
    "advice": advice, "counted": counted, "percent": percent, "score": score, "size": size,
    "duration": duration, "verdict": verdict, "moment": moment, "ago": ago, "number": number, "named": named,
}  # fmt: skip
