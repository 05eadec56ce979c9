"""Arriving from another site: browsers hold a strict cookie back there, and who is signed in would be asked to sign in.

A page that is loaded again by ours is asked for by this site, so that the cookie comes along (RFC 6265bis, section
8.8.2: top-level navigations that another site begins are cross-site, redirects included).
"""

from __future__ import annotations

from flask import Response, render_template, request

_TOLD = {
    "Sec-Fetch-Site": ("cross-site", "same-site"),
    "Sec-Fetch-Mode": ("navigate",),
    "Sec-Fetch-Dest": ("document",),
}


def arrives_from_elsewhere() -> bool:
    """Whether a person has followed another site's link to this page."""
    told = all(request.headers.get(name) in values for name, values in _TOLD.items())
    return told and request.method == "GET"


def load_again() -> Response:
    """A page that does nothing but load itself again."""
    response = Response(render_template("load_again.html"), content_type="text/html; charset=utf-8")
    response.headers["Vary"] = "Sec-Fetch-Site, Cookie"
    return response
