"""`tagline demo`: the whole service on this machine for a moment, with real photos, and nothing left afterwards."""

from __future__ import annotations

import contextlib
import os
import queue
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from cli.client.confident import all_labels_option
from cli.client.connection import Client
from cli.client.inputs import upload
from cli.client.progress import watch_job
from cli.client.submit import submit_json
from cli.config import read_settings
from cli.demo.library_act import show_library
from cli.demo.local_s3 import local_s3
from cli.demo.report import print_photos, print_texts
from cli.demo.servers import photo_server, webhook_receiver
from cli.stack.health import why_not_ready
from cli.stack.layout import free_port
from cli.stack.service import start_child
from cli.terminal import Failure, clean, note, say, warn
from core.outbound.s3.store import S3Store
from core.outbound.signing import new_secret
from core.settings import ClientSettings, load_settings
from core.states import JobState

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
OPTIONS: dict[str, dict[str, Any]] = {"classify": {"top_k": 3}, "tag": {"top_k": 8}}
TEXTS = (
    "A lovely, funny film with a cast that never puts a foot wrong.",
    "Two hours of my life that I will not get back; dull from start to end.",
    "WINNER!! Claim your free prize now, call 0906 170 1461. Cost 150p/min",
    "Running late, see you at the station at half past",
    "Le train de nuit pour Marseille part dans une heure.",
    "¿Dónde está la biblioteca? Quisiera devolver estos libros.",
)
_BUCKET = "photos"
_HOST = "127.0.0.1"
_READY_S, _STOP_S, _WEBHOOK_S = 120.0, 20.0, 30.0
# The demo is the same for everybody, whatever is set for the real service.
_PLAIN = {
    f"TAGLINE_{name}": ""
    for name in (
        *("DATABASE_URL", "DATABASE_URL_FILE", "REDIS_URL", "REDIS_URL_FILE", "API_KEY", "API_KEY_FILE"),
        *("WEBHOOK_SECRET", "WEBHOOK_SECRET_FILE", "UPLOADS_URL", "PUBLIC_URL", "S3_BUCKETS", "S3_ENDPOINT_URL"),
        *("S3_REQUESTER_PAYS", "ALLOW_HOSTS", "DATA_DIR", "WORKER_NAME", "FOLDERS"),
    )
}


@click.command("demo")
@all_labels_option
def demo(all_labels: bool) -> None:
    """Start everything, caption and label some photos, judge some texts, show the results, stop everything."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.environ.update(_PLAIN)
    read_settings("models", "runtime")
    photos = sorted(SAMPLES.glob("*.jpg"))
    if len(photos) < 3:
        raise Failure(f"there are no sample photos in {SAMPLES}")
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tagline-demo-")))
        photos_url = stack.enter_context(photo_server(SAMPLES))
        key, secret = f"demo-{secrets.token_hex(8)}", new_secret()
        hook_url, received = stack.enter_context(webhook_receiver(secret))
        bucket = _fill_bucket(stack, folder / "s3", photos)
        environment = {
            **_PLAIN,
            **bucket,
            "TAGLINE_API_KEY": key,
            "TAGLINE_WEBHOOK_SECRET": secret,
            "TAGLINE_FOLDERS": str(folder / "library"),
            "TAGLINE_ALLOW_HOSTS": ",".join(url.split("/")[2] for url in (photos_url, hook_url)),
        }
        url = stack.enter_context(_running(folder / "data", environment))
        say(f"API   {click.style(url, fg='green')}  (docs at {url}/docs)")
        say(f"Key   {key}")
        client = Client(ClientSettings(url=url, api_key=key))
        failed = _show(client, photos, photos_url, hook_url, received, s3=bool(bucket), every=all_labels)
        failed |= show_library(client, folder / "library", photos, _tasks(client)["image"])
    say(f"Everything has stopped again; nothing is left. That took {time.monotonic() - began:.0f} s.")
    say("`make up` starts one that stays, on http://127.0.0.1:8000, and prints its key.")
    if failed:
        raise Failure("not everything was labelled")


def _show(
    client: Client,
    photos: list[Path],
    photos_url: str,
    hook_url: str,
    received: queue.Queue[dict[str, Any]],
    *,
    s3: bool,
    every: bool,
) -> bool:
    """Run a job of photos and one of texts, and show what came of them; True if something failed."""
    tasks = _tasks(client)
    inputs = _inputs(client, photos, photos_url, s3=s3)
    job, rows = _run(client, tasks["image"], inputs, {"url": hook_url})
    print_photos(rows, every=every)
    failed = _failed(job)
    if tasks["text"]:
        texts = {str(number): text for number, text in enumerate(TEXTS, 1)}
        inputs = [{"id": number, "text": text} for number, text in texts.items()]
        job, rows = _run(client, tasks["text"], inputs)
        print_texts(rows, texts)
        failed |= _failed(job)
    try:
        message = received.get(timeout=_WEBHOOK_S)
    except queue.Empty:
        warn("no webhook has arrived")
        return True
    say(f"A webhook has arrived, its signature is right: {clean(str(message.get('type', 'job finished')))}")
    return failed


def _tasks(client: Client) -> dict[str, list[str]]:
    """What can be asked for here, by what it takes: every task that has a model."""
    every = client.call("GET", "/v1/tasks")["data"]
    ready = [task for task in every if task["default_model"]]
    return {medium: [task["name"] for task in ready if task["medium"] == medium] for medium in ("image", "text")}


def _run(
    client: Client, tasks: list[str], inputs: list[dict[str, str]], webhook: dict[str, str] | None = None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """One job that asks for all the tasks at once; the finished job and its results."""
    options = {task: OPTIONS[task] for task in tasks if task in OPTIONS}
    request = {"tasks": tasks, "inputs": inputs, "options": options, "name": "demo"}
    job = submit_json(client, {**request, "webhook": webhook} if webhook else request)
    job = watch_job(client, job)
    return job, client.call("GET", f"/v1/jobs/{job['id']}/results")["data"]


def _failed(job: dict[str, Any]) -> bool:
    return bool(job["state"] != JobState.COMPLETED or job["counts"]["failed"])


def _inputs(client: Client, photos: list[Path], photos_url: str, *, s3: bool) -> list[dict[str, str]]:
    """Each photo by another way, in turn; one is uploaded."""
    ways = [{"id": photo.name, "url": f"{photos_url}/{photo.name}"} for photo in photos]
    ways[0] = {"id": photos[0].name, "upload": upload(client, photos[0])}
    if s3:
        for place in range(2, len(photos), 2):
            ways[place] = {"id": photos[place].name, "s3": f"s3://{_BUCKET}/{photos[place].name}"}
    return ways


def _fill_bucket(stack: contextlib.ExitStack, folder: Path, photos: list[Path]) -> dict[str, str]:
    """Start an S3 server with the photos in it; the environment that leads there, empty if there is no server."""
    note("starting an S3 server with photos in it")
    try:
        with undisturbed():
            server = stack.enter_context(local_s3(folder, buckets=(_BUCKET,)))
    except RuntimeError as error:
        warn(f"{error}; the demo goes on without S3")
        return {}
    no_profiles = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull)
    environment = {**server.environment(), **no_profiles, "TAGLINE_S3_ENDPOINT_URL": server.endpoint_url}
    os.environ.update(environment)  # boto3 finds the server there, as every AWS tool does
    store = S3Store(load_settings(s3_endpoint_url=server.endpoint_url))
    for photo in photos:
        store.put(_BUCKET, photo.name, photo.read_bytes())
    return environment


@contextlib.contextmanager
def _running(data: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Run `tagline up` in a folder until the block ends; the URL of its API once it is ready."""
    note("starting Valkey, SQLite, API, worker and scheduler")
    data.mkdir()
    port = free_port(_HOST)
    command = [sys.executable, "-P", "-m", "cli.main", "up", "--host", _HOST, "--port", str(port), "--data", str(data)]
    log = data.parent / "up.log"
    with contextlib.ExitStack() as stack:
        with log.open("wb") as out, undisturbed():
            process = start_child(
                command, environment, cwd=data, stdout=out.fileno(), stderr=out.fileno(), death_signal=signal.SIGTERM
            )
            stack.callback(_stop, process)
        _wait_ready(process, f"http://{_HOST}:{port}", log)
        yield f"http://{_HOST}:{port}"
        note("stopping everything")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back for a moment, so that whatever is started in it is known to be ours to stop."""
    asked: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda number, frame: asked.append(number)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
    if asked:
        raise KeyboardInterrupt


def _wait_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _READY_S
    while (problem := why_not_ready(url)) is not None:
        if process.poll() is not None or time.monotonic() > deadline:
            raise Failure(f"the service did not start ({problem}):\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.1)


if __name__ == "__main__":
    demo()
