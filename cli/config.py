"""Settings for commands: a wrong one ends the command with one line, not with a traceback."""

from __future__ import annotations

from cli.terminal import Failure, warn
from core.settings import ClientSettings, Settings, load_client_settings, load_settings, unknown_variables
from core.settings_checks import SettingsError
from core.startup import WRONG_SETTINGS
from core.surroundings import Need, check_surroundings


def read_settings(*needs: Need, **overrides: object) -> Settings:
    """Settings from the environment; those of `overrides` that are not None win.

    Args:
        needs: what the command cannot do without; see `check_surroundings`.

    Raises:
        Failure: exit code 2, with what is wrong.
    """
    _warn_of_unknown()
    try:
        settings = load_settings(**{name: value for name, value in overrides.items() if value is not None})
        check_surroundings(settings, needs)
    except SettingsError as error:
        raise Failure(str(error), WRONG_SETTINGS) from None
    return settings


def read_client_settings() -> ClientSettings:
    """As `read_settings`, for commands that talk to a server."""
    _warn_of_unknown()
    try:
        return load_client_settings()
    except SettingsError as error:
        raise Failure(str(error), WRONG_SETTINGS) from None


def _warn_of_unknown() -> None:
    for line in unknown_variables():
        warn(line)
