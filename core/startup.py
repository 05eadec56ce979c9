"""How every process of ours gets its settings: whole and right, or it ends at once and says why in one line."""

from __future__ import annotations

import sys
from typing import NoReturn

from core.settings import Settings, load_settings
from core.settings_checks import SettingsError
from core.surroundings import Need, check_surroundings

WRONG_SETTINGS = 2  # the exit code
SIGN = "error: TAGLINE_"  # what the line begins with; a supervisor knows by it that another try is pointless


def starting_settings(*needs: Need) -> Settings:
    """The settings of a process that is starting; see `check_surroundings` for `needs`.

    Raises:
        SystemExit: code 2, after one line on standard error.
    """
    try:
        settings = load_settings()
        check_surroundings(settings, needs)
    except SettingsError as error:
        give_up(str(error))
    return settings


def give_up(line: str, code: int = WRONG_SETTINGS) -> NoReturn:
    """End a process whose settings, named in `line`, cannot be used."""
    sys.stderr.write(f"error: {line}\n")
    sys.stderr.flush()
    raise SystemExit(code)
