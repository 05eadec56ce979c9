"""What the server runs: `granian --interface asgi api.http.asgi:app`; settings come from the environment."""

from __future__ import annotations

from api.app import create_app
from api.http.bridge import Bridge
from api.http.heartbeat_app import HeartbeatApp
from core.file_limit import raise_file_limit
from core.garbage import keep_for_good
from core.heartbeat import Heartbeat
from core.logs import configure_logging
from core.startup import starting_settings

settings = starting_settings("database", "uploads", "models")
configure_logging(settings, "api")
raise_file_limit()
app = HeartbeatApp(Bridge(create_app(settings).wsgi_app, settings.web_threads), Heartbeat(settings.heartbeat_file))
keep_for_good()
