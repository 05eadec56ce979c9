"""Settings for commands: a wrong one is a line for a person, not a traceback."""

from __future__ import annotations

from pydantic import ValidationError

from cli.terminal import Failure
from core.settings import Settings, load_settings


def read_settings(**overrides: object) -> Settings:
    """Settings from the environment; those of `overrides` that are not None win.

    Raises:
        Failure: exit code 2, with what is wrong.
    """
    try:
        return load_settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        raise Failure(_explain(error), 2) from None
    except ValueError as error:
        raise Failure(str(error), 2) from None


def _explain(error: ValidationError) -> str:
    lines = [f"TAGLINE_{str(one['loc'][0]).upper()}: {one['msg']}" for one in error.errors() if one["loc"]]
    return "; ".join(lines) or str(error)
