"""`tagline submit` and its like against a real service, as a person types them; and the demo."""

from __future__ import annotations

import csv
import http.client
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.client.inputs import upload
from cli.stack.orphans import marked
from tests.support.photos import SAMPLES
from tests.support.ports import free_port
from tests.support.up_fixtures import KEY, Up, send


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    up = Up(tmp_path_factory.mktemp("service") / "data", free_port())
    up.start_and_wait()
    try:
        yield up
    finally:
        up.stop()
        assert not list(marked(up.data))


def tagline(up: Up, *arguments: str, stdin: bytes = b"", key: str = KEY) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "TAGLINE_URL": up.url, "TAGLINE_API_KEY": key, "COLUMNS": "80"}
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments], input=stdin, env=environment, capture_output=True, timeout=300
    )


@pytest.mark.slow
def test_a_folder_is_uploaded_and_its_table_fits_80_columns(service: Up, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    shutil.copy(SAMPLES / "cat.jpg", tmp_path / "sub" / "a [bold]cat.jpg")
    shutil.copy(SAMPLES / "coffee.jpg", tmp_path / ("long-" * 30 + "name.jpg"))
    (tmp_path / "notes.md").write_text("no image")
    done = tagline(service, "submit", str(tmp_path), "--tasks", "classify", "--top-k", "9", "--wait")
    assert done.returncode == 0, done.stderr
    table = done.stdout.decode()
    assert "sub/a [bold]cat.jpg" in table
    assert "espresso" in table
    assert max(map(len, table.splitlines())) <= 80
    assert b"2 succeeded" in done.stderr


@pytest.mark.slow
def test_a_broken_photo_is_skipped_and_said(service: Up, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    done = tagline(service, "submit", str(tmp_path / "broken.jpg"), str(SAMPLES / "cat.jpg"), "--tasks", "classify")
    assert done.returncode == 1
    assert b"skipped" in done.stderr
    assert b"1 accepted" in done.stderr


@pytest.mark.slow
def test_a_folder_as_people_have_them(service: Up, tmp_path: Path) -> None:
    """Names of another century, thumbnails, an icon, a photo that is none and one that is too large."""
    (tmp_path / "@eaDir").mkdir()
    for name in (b"caf\xe9.jpg", b"@eaDir/thumb.jpg", b".hidden.jpg"):
        shutil.copy(SAMPLES / "cat.jpg", os.path.join(os.fsencode(tmp_path), name))
    (tmp_path / "favicon.ico").write_bytes(b"\0\0\1\0")
    tidy = tagline(service, "submit", str(tmp_path), "--tasks", "classify", "--wait")
    assert tidy.returncode == 0, tidy.stderr
    assert "caf\\xe9.jpg" in tidy.stdout.decode()
    assert b"1 succeeded" in tidy.stderr
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    with (tmp_path / "huge.tif").open("wb") as file:
        file.truncate(1 << 36)
    done = tagline(service, "submit", str(tmp_path), "--tasks", "classify", "--wait")
    assert done.returncode == 1
    assert b"1 succeeded" in done.stderr
    for words in (b"broken.jpg: ", b"huge.tif: ", b"(upload_too_large)", b"@eaDir/", b".hidden.jpg", b"favicon.ico"):
        assert words in done.stderr


@pytest.mark.slow
def test_waiting_outlives_the_api(service: Up, tmp_path: Path) -> None:
    photo = upload(service.client, SAMPLES / "cat.jpg")
    listing = tmp_path / "list.ndjson"
    listing.write_text((json.dumps({"upload": photo}) + "\n") * 120)
    environment = {**os.environ, "TAGLINE_URL": service.url, "TAGLINE_API_KEY": KEY}
    command = [sys.executable, "-m", "cli.main", "submit", str(listing), "--tasks", "classify", "--wait"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        assert process.stderr.readline().startswith(b"job ")
        send(service.pids("api"), signal.SIGKILL)
        said = process.stderr.read()
        table = process.stdout.read()
        assert process.wait(180) == 0, said
    assert b"120 succeeded" in said
    assert b"Egyptian cat" in table


@pytest.mark.slow
def test_streamed_results_outlive_the_api_however_it_ends(service: Up) -> None:
    """Stopped in order the API ends its streams in order too, as if there were no more results."""
    lines = [f"http://127.0.0.1:9/{number}/{'x' * 8000}" for number in range(2000)]
    job = tagline(service, "submit", "-", "--tasks", "classify", stdin="\n".join(lines).encode())
    job_id = job.stdout.decode().strip()
    service.finished({"id": job_id})
    environment = {**os.environ, "TAGLINE_URL": service.url, "TAGLINE_API_KEY": KEY}
    command = [sys.executable, "-m", "cli.main", "results", job_id, "--format", "ndjson"]
    for number in (signal.SIGTERM, signal.SIGKILL):
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            rows = [process.stdout.readline()]
            send(service.pids("api"), number)
            rows += process.stdout.readlines()
            assert process.wait(180) == 0, process.stderr.read()
        assert [json.loads(row)["seq"] for row in rows] == list(range(2000))
    asked = (service.data / "logs" / "api.log").read_text().count(f"/v1/jobs/{job_id}/results")
    assert asked >= 4, "no stream was cut"


@pytest.mark.slow
def test_a_list_from_a_pipe_and_every_format_of_its_results(service: Up) -> None:
    lines = b'{"id": "one", "url": "http://127.0.0.1:9/a.jpg"}\n' * 120
    job = tagline(service, "submit", "-", "--list-format", "ndjson", "--tasks", "classify", "--name", "n", stdin=lines)
    job_id = job.stdout.decode().strip()
    service.finished({"id": job_id})
    status = tagline(service, "status", job_id).stdout.decode()
    assert "120 in all (120 failed)" in status
    rows = json.loads(tagline(service, "results", job_id, "--format", "json").stdout)
    assert [row["error"]["code"] for row in rows] == ["address_not_allowed"] * 120
    ndjson = tagline(service, "results", job_id, "--format", "ndjson").stdout.splitlines()
    assert [json.loads(line) for line in ndjson] == rows
    text = tagline(service, "results", job_id, "--format", "csv").stdout.decode()
    assert len(list(csv.DictReader(io.StringIO(text)))) == 120
    table = tagline(service, "results", job_id)
    assert b"70 more" in table.stderr
    assert tagline(service, "results", job_id, "--format", "json", "--state", "succeeded").stdout == b"[]\n"


@pytest.mark.slow
def test_problems_are_told_with_code_and_place(service: Up, tmp_path: Path) -> None:
    unknown = tagline(service, "submit", "http://x.example/a.jpg", "--tasks", "nonsense")
    assert unknown.returncode == 1
    assert b"unknown_task" in unknown.stderr
    assert b"/tasks/0" in unknown.stderr
    listing = tmp_path / "list.jsonl"
    listing.write_text('{"url": "http://x.example/a.jpg"}\n{"url": 5}\n')
    wrong = tagline(service, "submit", str(listing), "--tasks", "classify")
    assert wrong.returncode == 1
    assert b"line 2" in wrong.stderr
    nobody = tagline(service, "status", "x", key="wrong")
    assert nobody.returncode == 1
    assert b"TAGLINE_API_KEY" in nobody.stderr


@pytest.mark.slow
def test_keys_are_made_listed_and_revoked_beside_the_service(service: Up) -> None:
    data = ("--data", str(service.data))
    key = tagline(service, "keys", "create", "--tenant", "shop", "--name", "nightly", *data).stdout.decode().strip()
    job = tagline(service, "submit", str(SAMPLES / "cat.jpg"), "--tasks", "classify").stdout.decode().strip()
    assert tagline(service, "status", job, key=key).returncode == 1, "somebody else's job"
    row = next(line for line in tagline(service, "keys", "list", *data).stdout.decode().splitlines() if "shop" in line)
    assert tagline(service, "keys", "revoke", row.split()[0], *data).returncode == 0
    assert b"unauthorized" in tagline(service, "status", job, key=key).stderr


@pytest.mark.slow
def test_a_key_that_may_only_read_submits_nothing(service: Up) -> None:
    made = tagline(service, "keys", "create", "--scope", "read", "--data", str(service.data))
    key = made.stdout.decode().strip()
    refused = tagline(service, "submit", str(SAMPLES / "cat.jpg"), "--tasks", "classify", key=key)
    assert refused.returncode == 1
    assert b"scope_missing" in refused.stderr
    assert b"read" in tagline(service, "keys", "list", "--data", str(service.data)).stdout


@pytest.mark.slow
def test_links_of_up_and_of_the_operator_sign_a_browser_in_once(service: Up) -> None:
    data = ("--data", str(service.data))
    of_up = re.findall(r"http://\S+/login/link\?token=\S+", service.said())[-1]
    made = tagline(service, "keys", "link", *data)
    assert made.returncode == 0, made.stderr
    for link in (of_up, made.stdout.decode().strip()):
        path = link.removeprefix(service.url)
        assert [_status_and_cookie(service, path) for _ in range(2)] == [(303, True), (401, False)]
    nobody = tagline(service, "keys", "link", "--tenant", "nobody", *data)
    assert (nobody.returncode, nobody.stdout) == (1, b"")
    elsewhere = tagline(service, "keys", "link", "--url", "https://tags.example/", *data).stdout
    assert elsewhere.startswith(b"https://tags.example/login/link?token=")


def _status_and_cookie(service: Up, path: str) -> tuple[int, bool]:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=180)
    connection.request("GET", path)
    answer = connection.getresponse()
    connection.close()
    return answer.status, answer.getheader("Set-Cookie", "").startswith("tagline_session")


@pytest.mark.slow
def test_a_reader_that_leaves_is_no_error(service: Up) -> None:
    lines = b"http://127.0.0.1:9/a.jpg\n" * 3000
    job = tagline(service, "submit", "-", "--tasks", "classify", "--json", stdin=lines)
    job_id = json.loads(job.stdout)["id"]
    service.finished({"id": job_id})
    environment = {**os.environ, "TAGLINE_URL": service.url, "TAGLINE_API_KEY": KEY}
    command = [sys.executable, "-m", "cli.main", "results", job_id, "--format", "ndjson"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(180) == 0


@pytest.mark.slow
def test_the_demo_shows_every_task_and_leaves_nothing(tmp_path: Path) -> None:
    environment = {
        **os.environ, "TMPDIR": str(tmp_path), "TAGLINE_REDIS_URL": "redis://nobody.invalid/0", "COLUMNS": "80",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "demo"], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 listed, 1 new, 1 changed, 1 moved, 4 unchanged; your correction stands" in done.stdout
    for word in ("Egyptian cat", "espresso", "upload", "url", "s3", "its signature is right", "/docs", "demo-"):
        assert word in done.stdout
    shown = {"classify": "classes", "caption": "caption", "tag": "tags", "sentiment": "positive", "spam": "ham"}
    for task in json.loads((SAMPLES.parent / "models" / "defaults.json").read_text()):
        assert shown.get(task, task) in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_demo_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-u", "-m", "cli.main", "demo"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if b"starting Valkey" in line:
                break
        [folder] = [Path(path) for path in tmp_path.iterdir()]
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(180) != 0
    assert list(tmp_path.iterdir()) == []
    assert not list(marked(folder / "data"))
