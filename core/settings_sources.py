"""What the environment holds besides plain values: secrets in files, and names that are nearly ours.

The environment itself is handed in by core/settings.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

from core.settings_checks import SettingsError

_MAX_BYTES = 65_536  # of a secret
# What others give such names: our supervisor (cli/stack/orphans.py), docker-compose.yml, our tests, and Kubernetes for
# every service that is called tagline-something.
_OTHERS = re.compile(
    r"TAGLINE_(SUPERVISED|PORT|TEST_\w+|\w*SERVICE_(HOST|PORT\w*)|\w*PORT_\d+_(TCP|UDP|SCTP)\w*)", re.IGNORECASE
)


def secrets_in_files(environment: Mapping[str, str], prefix: str, names: Iterable[str]) -> dict[str, str]:
    """The settings whose value lies in the file that PREFIX<NAME>_FILE names, without white space around it.

    Raises:
        SettingsError: the file cannot be used, or says something else than PREFIX<NAME>.
    """
    values = {}
    for name in names:
        variable = prefix + name.upper()
        path = environment.get(f"{variable}_FILE", "").strip()
        if path:
            values[name] = _read(path, f"{variable}_FILE")
            if environment.get(variable, "").strip() not in ("", values[name]):
                raise SettingsError(f"{variable}_FILE: {variable} is set, too, and differs; leave one of them out")
    return values


def _read(path: str, variable: str) -> str:
    try:
        with Path(path).open("rb") as file:
            text = file.read(_MAX_BYTES).decode().strip()
    except OSError as error:
        raise SettingsError(
            f"{variable}: {path} cannot be read: {error.strerror}; write the path of a readable file"
        ) from None
    except ValueError:
        raise SettingsError(f"{variable}: {path} is no text file; write the path of one") from None
    if not text:
        raise SettingsError(f"{variable}: {path} is empty; write the value into it, or leave the variable out")
    return text


def misspelt(given: Iterable[str], prefix: str, known: Iterable[str]) -> list[str]:
    """A line for each variable that looks like one of ours and is none.

    Args:
        given: names of environment variables.
        known: those that mean something.
    """
    names = {name.upper() for name in known}
    lines = []
    for name in sorted(given):
        upper = name.upper()
        if upper.startswith(prefix) and upper not in names and not _OTHERS.fullmatch(upper):
            near = get_close_matches(upper, names, n=1, cutoff=0.75)
            advice = f"did you mean {near[0]}?" if near else ".env.example lists them all"
            lines.append(f"{name} is no setting and does nothing; {advice}")
    return lines
