"""What pages keep between requests, made once for each application."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from flask import Flask, current_app

from api.http.rate_limit import RateLimit
from api.services import services
from db.server_secrets import ensure_secret, known_secret

PURPOSE = "sessions"
_EXTENSION = "tagline.pages"


@dataclass(slots=True)
class PageState:
    """Safe to share between threads.

    Attributes:
        secret: what signs cookies, once it is known.
        guesses: wrong keys that an address may send to the page where one signs in.
        visits: jobs of photos that visitors of an address may make in the public demo: ten a minute.
        typed: jobs of short texts, which pages send while one types.
        all_visits: jobs that all visitors may make together.
        public_tenant: the id of the visitors' tenant, once it is known.
    """

    secret: str = ""
    guesses: RateLimit = field(default_factory=lambda: RateLimit(burst=10, every_s=3))
    visits: RateLimit = field(default_factory=lambda: RateLimit(burst=10, every_s=6))
    typed: RateLimit = field(default_factory=lambda: RateLimit(burst=30, every_s=1))
    all_visits: RateLimit = field(default_factory=lambda: RateLimit(burst=60, every_s=0.5))
    public_tenant: str = ""


def keep_page_state(app: Flask) -> None:
    """Give an application its own."""
    app.extensions[_EXTENSION] = PageState()


def page_state() -> PageState:
    """That of the application that answers the current request."""
    return cast(PageState, current_app.extensions[_EXTENSION])


def signing_secret(*, make: bool = False) -> str | None:
    """What signs cookies: the setting's, or one that lies in the database, where every process of the API finds it.

    Args:
        make: make one where there is none yet; else None is the answer, and no cookie can be one of ours.
    """
    state = page_state()
    if not state.secret:
        state.secret = services().settings.session_secret
    if not state.secret and make:
        with services().database.write() as rows:
            state.secret = ensure_secret(rows, PURPOSE)
    if not state.secret:
        with services().database.read() as rows:
            state.secret = known_secret(rows, PURPOSE) or ""
    return state.secret or None
