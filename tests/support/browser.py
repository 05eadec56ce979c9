"""A browser without JavaScript, for the application in this process: it keeps cookies and fills in forms."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

ORIGIN = "http://localhost"  # what Flask's client asks for


@dataclass
class Browser:
    """One browser. `headers` go with every request."""

    client: FlaskClient
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, app: Flask, key: str = "", **headers: str) -> Browser:
        """A browser, signed in if a key is given."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        made = cls(app.test_client(), {"Accept": "text/html,*/*;q=0.8", **given})
        if key:
            answer = made.post("/login", key=key)
            assert (answer.status_code, answer.location) == (303, "/"), answer.text
        return made

    def get(self, path: str, **headers: str) -> Any:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.get(path, headers={**self.headers, **given})

    def post(self, path: str, **fields: Any) -> Any:
        """A form of the page as it stands, without a token."""
        return self.client.post(path, data=fields, headers={"Origin": ORIGIN, **self.headers})

    def send(self, page: str, path: str, **fields: Any) -> Any:
        """Fill in the form of a page that goes to a path, and send it with what is hidden in it."""
        shown = self.get(page)
        assert shown.status_code == 200, shown.text
        form = form_to(shown.text, path)
        assert form is not None, f"{page} has no form to {path}"
        return self.post(path, **{**form, **fields})

    def signed_in(self) -> bool:
        return bool(self.get("/login").status_code == 303)


def form_to(html: str, path: str) -> dict[str, str] | None:
    """The hidden fields of a page's form to a path; None if there is no such form."""
    for attributes, inner in re.findall(r"<form([^>]*)>(.*?)</form>", html, re.DOTALL):
        if f'action="{path}"' in attributes:
            hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', inner)
            return {name: unescape(value) for name, value in hidden}
    return None
