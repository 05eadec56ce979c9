"""Settings for commands: a wrong one is a line for a person, not a traceback."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from pydantic import ValidationError

from cli.terminal import Failure
from core.settings import ClientSettings, Settings, load_client_settings, load_settings

T = TypeVar("T", Settings, ClientSettings)


def read_settings(**overrides: object) -> Settings:
    """Settings from the environment; those of `overrides` that are not None win.

    Raises:
        Failure: exit code 2, with what is wrong.
    """
    return _read(load_settings, overrides)


def read_client_settings() -> ClientSettings:
    """As `read_settings`, for commands that talk to a server."""
    return _read(load_client_settings, {})


def _read(load: Callable[..., T], overrides: Mapping[str, object]) -> T:
    try:
        return load(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        raise Failure(_explain(error), 2) from None
    except ValueError as error:
        raise Failure(str(error), 2) from None


def _explain(error: ValidationError) -> str:
    lines = [f"TAGLINE_{str(one['loc'][0]).upper()}: {one['msg']}" for one in error.errors() if one["loc"]]
    return "; ".join(lines) or str(error)
