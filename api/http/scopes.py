"""Which scope a route needs: by its method, unless its view says otherwise. For the API and for pages alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask

from core.errors import RequestError
from core.scopes import Scope

View = TypeVar("View", bound=Callable[..., Any])
_ATTRIBUTE = "needed_scope"
_ONLY_LOOK = frozenset({"GET", "HEAD"})
_WORDS = {
    Scope.READ: "This key may only read",
    Scope.SUBMIT: "This key may read and submit",
    Scope.ADMIN: "This key may do everything",
}


def needs(scope: Scope) -> Callable[[View], View]:
    """Declare what a view needs, whatever the method: a GET that changes something, or what is the admin's alone."""

    def mark(view: View) -> View:
        setattr(view, _ATTRIBUTE, scope)
        return view

    return mark


def needed_scope(app: Flask, endpoint: str, method: str) -> Scope:
    """What a route needs. A method that nobody thought of changes something, until it is declared to read."""
    declared: Scope | None = getattr(app.view_functions[endpoint], _ATTRIBUTE, None)
    if declared is not None:
        return declared
    return Scope.READ if method.upper() in _ONLY_LOOK else Scope.SUBMIT


def check_scope(held: Scope, needed: Scope) -> None:
    """Refuse who may not do this.

    Raises:
        RequestError: `scope_missing`.
    """
    if not held.covers(needed):
        message = f"{_WORDS[held]}; this needs a key with the scope {needed}."
        raise RequestError("scope_missing", message, where="Authorization")
