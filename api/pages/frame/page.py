"""What every page has in common: a blueprint with its own sign-in and policy, and how a template becomes an answer."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app, g, redirect, render_template, request, url_for

from api.http.auth import BrowserBlueprint
from api.http.scopes import check_scope, needed_scope
from api.pages.frame.arrivals import arrives_from_elsewhere, load_again
from api.pages.identity.csrf import check_csrf
from api.pages.identity.public_demo import admit_visitor, keep_visitor
from api.pages.identity.session import current_caller
from core.scopes import Scope
from db.keys import Caller

# Nothing but our own files; blob: are photos that were dropped on the page and are not sent yet.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
FORM_BYTES = 1_000_000


class PageBlueprint(BrowserBlueprint):
    """A blueprint of pages: they ask for a session instead of a key, and are answered under the pages' policy.

    Args:
        name: of the blueprint.
        signed_out: strangers see its pages, too, and no scope is asked for. Other pages need what the API's routes
            need: a key that may read to be looked at, `submit` for a form, or what `@needs` says.
        visitors: strangers use its pages where TAGLINE_PUBLIC_DEMO is on, see `api.pages.identity.public_demo`.
        max_bytes: the largest form that its pages take.
    """

    def __init__(
        self, name: str, *, signed_out: bool = False, visitors: bool = False, max_bytes: int = FORM_BYTES
    ) -> None:
        super().__init__(name, "api.pages")
        self._signed_out = signed_out
        self._visitors = visitors
        self._max_bytes = max_bytes
        self.before_request(self._admit)
        self.after_request(protect)
        self.after_request(keep_visitor)

    def _admit(self) -> Response | None:
        request.max_content_length = self._max_bytes
        found = current_caller()
        if found is None and self._visitors:
            found = admit_visitor()
        if found is not None:
            g.caller = found
        elif not self._signed_out:
            return load_again() if arrives_from_elsewhere() else to_login()
        check_csrf()
        if found is not None and not self._signed_out:
            check_scope(found.scope, needed_scope(current_app, request.endpoint or "", request.method))
        return None


def to_login() -> Response:
    """Send the browser to the page where one signs in."""
    target = url_for("sign_in.form", next=request.full_path.rstrip("?") if request.method == "GET" else None)
    return onwards(target)


def onwards(target: str) -> Response:
    """Send the browser to another page, with and without htmx."""
    return Response(status=200, headers={"HX-Redirect": target}) if is_htmx() else see_other(target)


def see_other(target: str) -> Response:
    """An answer to a form: the browser goes to a page, and going back sends nothing again."""
    return redirect(target, 303)  # type: ignore[return-value]


def may(scope: str) -> bool:
    """Whether who looks at the page may do what needs a scope: what one may not do has no button."""
    found: Caller | None = g.get("caller") or current_caller()
    return found is not None and found.scope.covers(Scope(scope))


def is_htmx() -> bool:
    """Whether htmx asks, which wants a part of a page."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-History-Restore-Request") != "true"


def page(template: str, status: int = 200, **values: Any) -> Response:
    """A page, or a part of one, as HTML."""
    response = Response(render_template(template, **values), status, content_type="text/html; charset=utf-8")
    response.headers["Vary"] = "HX-Request, Cookie"
    return response


def protect(response: Response) -> Response:
    """The headers of every page."""
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return response
