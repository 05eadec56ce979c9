"""What browsers and tools of other people need of HTTP: origins, capitals, waits that proxies bear."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.app import close_app, create_app
from api.http.api_metrics import ApiMetrics
from core.settings import Settings
from tests.integration.test_api_uploads import photo
from tests.support.api import Caller

PAGE = "https://page.example"


@pytest.fixture
def open_to(tmp_path: Path) -> Iterator[Caller]:
    app = create_app(Settings(data_dir=tmp_path, cors_origins=(f"{PAGE}/", "http://localhost:3000")))
    yield Caller(app.test_client(), "tl_none")
    close_app(app)


def test_pages_of_named_origins_may_call(open_to: Caller) -> None:
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    preflight = open_to.client.options("/v1/jobs", headers=asked)
    assert (preflight.status_code, preflight.headers["Access-Control-Allow-Origin"]) == (204, PAGE)
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
    refused = open_to.client.get("/v1/jobs", headers={"Origin": PAGE})  # the page must be able to read why
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, PAGE)
    assert "Location" in refused.headers["Access-Control-Expose-Headers"]
    assert "Origin" in refused.headers["Vary"]


def test_other_pages_may_not(open_to: Caller, acme: Caller) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for caller in (open_to, acme):
        answer = caller.client.options("/v1/jobs", headers=asked)
        assert answer.status_code != 204
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Access-Control-Allow-Origin" not in acme.get("/v1/jobs", Origin=PAGE).headers


def test_ids_in_capitals_are_the_same_ids(acme: Caller) -> None:
    job = acme.submit(["http://a/1"])["id"]
    assert acme.get(f"/v1/jobs/{job.upper()}").json["id"] == job


def test_a_wait_ends_before_proxies_cut_it(acme: Caller) -> None:
    job = acme.submit(["http://a/1"])["id"]
    acme.send("POST", f"/v1/jobs/{job}/cancel")
    for offered, granted in (("wait=60", "wait=50"), ("wait=3600", "wait=50"), ("wait=7", "wait=7")):
        answer = acme.get(f"/v1/jobs/{job}", Prefer=offered)
        assert (answer.status_code, answer.headers["Preference-Applied"]) == (200, granted)


def test_one_file_an_upload(acme: Caller) -> None:
    files = [(io.BytesIO(photo(size, size)), f"{size}.jpg") for size in (20, 30)]
    answer = acme.send("POST", "/v1/uploads", data={"file": files})
    assert (answer.status_code, answer.json["code"]) == (422, "file_twice")


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate, gzip"])
def test_a_compressed_upload_is_refused_for_what_it_is(acme: Caller, coding: str) -> None:
    answer = acme.send("POST", "/v1/uploads", {"Content-Encoding": coding}, data={"file": (io.BytesIO(b"x"), "a.jpg")})
    assert (answer.status_code, answer.json["where"]) == (415, "Content-Encoding")


class _Metrics(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = (
            b"# HELP python_info Python\n# TYPE python_info gauge\npython_info 1.0\n"
            b"# HELP tagline_items_total Items\n# TYPE tagline_items_total counter\ntagline_items_total 7.0\n"
        )
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_metrics_of_the_other_processes_are_shown_and_never_do_harm() -> None:
    """Nothing lies in files that processes map into memory: a full disk would kill whoever counts (SIGBUS)."""
    with HTTPServer(("127.0.0.1", 0), _Metrics) as server, socket.create_server(("127.0.0.1", 0)) as silent:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        lives, mute = f"127.0.0.1:{server.server_port}", f"127.0.0.1:{silent.getsockname()[1]}"
        text = ApiMetrics([lives, mute, "127.0.0.1:1"]).render().decode()
        server.shutdown()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["tagline_items"].samples[0].value == 7
    assert "python_info" not in families
    up = {sample.labels["peer"]: sample.value for sample in families["tagline_metrics_peer_up"].samples}
    assert up == {lives: 1, mute: 0, "127.0.0.1:1": 0}
