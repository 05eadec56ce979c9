"""The API for tests: in this process for speed, or as the server that runs in production."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from core.file_limit import sockets_to_spare
from tests.support.ports import free_port, listening
from tests.support.waiting import until

ROOT = Path(__file__).resolve().parents[2]
KEY = "tl_test"


@dataclass
class Caller:
    """A client of the application in this process, with a key."""

    client: FlaskClient
    key: str

    def send(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> Any:
        given = {"Authorization": f"Bearer {self.key}", **(headers or {})}
        return self.client.open(path, method=method, headers=given, **more)

    def get(self, path: str, **headers: str) -> Any:
        return self.send("GET", path, {name.replace("_", "-"): value for name, value in headers.items()})

    def submit(self, inputs: list[Any], **fields: Any) -> Any:
        """A JSON submission's job."""
        answer = self.send("POST", "/v1/jobs", json={"tasks": ["classify"], "inputs": inputs, **fields})
        assert answer.status_code == 202, answer.text
        return answer.json

    def stream(self, body: bytes, content_type: str = "text/plain", query: str = "tasks=classify") -> Any:
        return self.send("POST", f"/v1/jobs?{query}", data=body, content_type=content_type)

    def jobs(self) -> list[Any]:
        found: list[Any] = self.get("/v1/jobs").json["data"]
        return found


@dataclass
class Server:
    """The API as a process."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer."""
        given = {"Authorization": f"Bearer {KEY}"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=180)
        try:
            connection.request(method, path, body, given)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def submit(self, *inputs: str) -> str:
        """A job's id."""
        body = json.dumps({"tasks": ["classify"], "inputs": inputs})
        status, _, answer = self.ask("POST", "/v1/jobs", body, Content_Type="application/json")
        assert status == 202, answer
        return str(json.loads(answer)["id"])

    def jobs(self) -> list[Any]:
        found: list[Any] = json.loads(self.ask("GET", "/v1/jobs")[2])["data"]
        return found


@contextmanager
def api_server(env: dict[str, str], log: Path) -> Iterator[Server]:
    """Run the API as in production; stop it afterwards."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "granian", "--interface", "asgi", "--http", "1", "--no-ws", "--port", str(port)),
        *("--backpressure", str(sockets_to_spare(soft=False))),
    ]
    with log.open("ab") as out:
        process = subprocess.Popen(
            [*command, "api.http.asgi:app"], env={**os.environ, **env}, stdout=out, stderr=out, cwd=ROOT
        )
    try:
        until(lambda: listening(port) or process.poll() is not None, what="the API")
        assert process.poll() is None, log.read_text()
        yield Server(port, process)
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
