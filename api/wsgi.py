"""The application for any WSGI server; settings come from the environment. See api/asgi.py for how it is served."""

from __future__ import annotations

from api.app import create_app
from core.logs import configure_logging
from core.settings import load_settings

settings = load_settings()
configure_logging(settings, "api")
app = create_app(settings)
