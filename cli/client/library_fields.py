"""What `tagline library create` says of a library, from options and from what the source looks like."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cli.client.arguments import LISTS
from cli.terminal import Failure

_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_ZONES = "/zoneinfo/"
_LOCAL_ZONE = "/etc/localtime"


def source_fields(source: str) -> tuple[dict[str, str] | None, Path | None]:
    """A source as the API takes it, and the list to be sent to it if that is what was named.

    A path is one on the server, which may be another machine, so it need not be here; a file that is here is a list.

    Raises:
        Failure: a file is no list by its name; exit code 2.
    """
    kind = urlsplit(source).scheme.lower()
    if kind == "s3":
        return {"s3_prefix": source}, None
    if kind in ("http", "https"):
        return {"manifest_url": source}, None
    path = Path(os.path.abspath(os.path.expanduser(source)))
    if not path.is_file():
        return {"folder": str(path)}, None
    if path.suffix.lower() not in LISTS:
        raise Failure(f"{source}: a folder, an s3:// prefix, a URL of a list, or a list ({', '.join(LISTS)})", 2)
    return None, path


def default_name(source: str) -> str:
    """What a library is called unless its user says otherwise: the last part of its source."""
    path = urlsplit(source).netloc + urlsplit(source).path if "://" in source else os.path.abspath(source)
    return path.rstrip("/").rpartition("/")[2] or path


def schedule_fields(
    nightly: str | None, cron: str | None, timezone: str | None, window: str | None
) -> dict[str, Any] | None:
    """A schedule as the API takes it; None if there is none.

    Raises:
        Failure: options that do not go together, or a time that is none; exit code 2.
    """
    if nightly and cron:
        raise Failure("--nightly and --cron say the same; give one of them", 2)
    if not nightly and not cron:
        if timezone or window:
            raise Failure("--timezone and --window go with --nightly or --cron", 2)
        return None
    if nightly:
        found = _CLOCK.fullmatch(nightly.strip())
        if found is None:
            raise Failure(f"--nightly {nightly}: write a time as 02:00", 2)
        cron = f"{int(found[2])} {int(found[1])} * * *"
    fields = {"cron": cron, "timezone": timezone or local_zone(), "window": window}
    return {name: value for name, value in fields.items() if value}


def local_zone() -> str | None:
    """The IANA name of this machine's time zone, where its usual file tells; the API takes UTC otherwise."""
    try:
        place = os.path.realpath(_LOCAL_ZONE)
    except OSError:
        return None
    _, found, name = place.partition(_ZONES)
    return name if found and not name.startswith(("posix", "right")) else None
