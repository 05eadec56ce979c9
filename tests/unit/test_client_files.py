"""A folder of photos is sent whatever else lies in it; what is left out is named, and only lost photos are an error."""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import cli.client.submit  # noqa: F401  # before nobody needs it, who may not read it
from cli.client.arguments import item_id
from core.errors import ItemError
from core.images import decode
from core.images.file_names import PHOTOS
from tests.support.cli_runner import Tagline, quick_tagline
from tests.support.flaky_api import (
    JOB_ID,
    FlakyApi,
    Handler,
    flaky_api,
    job,
    lose_answer,
    ok,
    problem,
    proxy,
    refuse_early,
    reset,
)

PHOTO = b"\xff\xd8\xff of a kind"
UPLOAD = "POST /v1/uploads"


def content(handler: Handler) -> bytes:
    """The file in an upload."""
    return handler.read_body().split(b"\r\n\r\n", 1)[1].rpartition(b"\r\n--")[0].removesuffix(b"\r\n")


def take(handler: Handler) -> None:
    """An upload is accepted; its id is its content."""
    ok({"id": content(handler).decode("latin-1")}, 201)(handler)


@pytest.fixture
def api() -> Iterator[FlakyApi]:
    with flaky_api() as server:
        server.plan("POST /v1/jobs", ok(job(), 202))
        server.plan("GET /v1/jobs", ok({"data": [], "next_cursor": None}))
        yield server


@pytest.fixture
def tagline(api: FlakyApi, monkeypatch: pytest.MonkeyPatch) -> Tagline:
    return quick_tagline(api.url, monkeypatch)


def sent(api: FlakyApi) -> dict[str, str]:
    """Content by id, as the job has it."""
    [submission] = api.asked("POST /v1/jobs")
    return {one["id"]: one["upload"] for one in json.loads(submission.body)["inputs"]}


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's right to read everything."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def _fill(folder: Path, *names: str | bytes) -> None:
    for name in names:
        path = folder / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PHOTO)


JUNK = (
    *(".hidden.jpg", "._IMG_1.jpg", ".DS_Store", ".thumbnails/large/1.png", ".@__thumb/x.jpg", ".AppleDouble/y.jpg"),
    *(".Trash-1000/files/old.jpg", "@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg", "@EADIR/b.jpg", "#recycle/c.jpg"),
    "sub/@Recycle/d.jpg",
    *("$RECYCLE.BIN/e.jpg", "lost+found/f.jpg", "__MACOSX/g.jpg", "Thumbs.db", "System Volume Information/h.jpg"),
    *("favicon.ico", "icon.tga", "scan.ppm", "notes.md", "clip.mov", "raw.nef", "a.xmp", "list.txt", "no-suffix"),
)  # fmt: skip


def test_what_is_no_photo_stays_behind_and_fails_nothing(api: FlakyApi, tagline: Tagline, tmp_path: Path) -> None:
    _fill(tmp_path, "a.jpg", "sub/B.JPEG", "sub/dir.jpg/c.png", *JUNK)
    api.plan(UPLOAD, take)
    done = tagline("submit", str(tmp_path), "--tasks", "classify")
    assert done.exit_code == 0, done.output
    assert list(sent(api)) == ["a.jpg", "sub/B.JPEG", "sub/dir.jpg/c.png"]
    for words in ("hidden: ", ".thumbnails/", "thumbnails, trash and notes of a system", "@eaDir/", "favicon.ico"):
        assert words in done.stderr
    assert "skipped" not in done.stderr
    assert len(done.stderr.splitlines()) == 4, "a line for each kind, and the job's"


def test_the_folder_itself_may_be_called_anything(api: FlakyApi, tagline: Tagline, tmp_path: Path) -> None:
    _fill(tmp_path, ".pictures/a.jpg", "@eaDir/b.jpg")
    api.plan(UPLOAD, take)
    assert tagline("submit", str(tmp_path / ".pictures"), "--tasks", "x").exit_code == 0
    assert list(sent(api)) == ["a.jpg"]
    assert tagline("submit", str(tmp_path / "@eaDir"), "--tasks", "x").exit_code == 0
    patterned = tagline("submit", str(tmp_path / ".pictures"), str(tmp_path / "@eaDir"), "--tasks", "x")
    assert patterned.exit_code == 0, "a pattern of the shell names everything"
    assert len(json.loads(api.asked("POST /v1/jobs")[-1].body)["inputs"]) == 1


NAMES = [
    b"caf\xe9.jpg", b"\xff\xfe\xfd.jpg", "größe.jpg".encode(), b"new\nline.jpg", b"quote\".jpg", b"it's [bold].jpg",
    b"esc\x1b[31m.jpg", b"<b>&amp;.jpg", b"%41%.jpg", b"-.jpg", b"--help.jpg", b" .jpg", b"\\x.jpg",
    b"a" * 251 + b".jpg", b"b" * 250 + b"\xe9.jpg",
]  # fmt: skip


def test_every_name_that_a_file_can_have_is_sent(api: FlakyApi, tagline: Tagline, tmp_path: Path) -> None:
    _fill(tmp_path, *NAMES)
    api.plan(UPLOAD, take)
    done = tagline("submit", str(tmp_path), "--tasks", "classify")
    assert done.exit_code == 0, done.output
    ids = list(sent(api))
    assert len(set(ids)) == len(NAMES)
    assert {"caf\\xe9.jpg", "größe.jpg", "new\nline.jpg", 'quote".jpg'} < set(ids)
    for one in ids:
        assert 1 <= len(one) <= 200
        one.encode()


@pytest.mark.parametrize("name", NAMES)
def test_every_name_can_be_told(api: FlakyApi, tagline: Tagline, tmp_path: Path, name: bytes) -> None:
    _fill(tmp_path, name, "good.jpg")
    api.plan(UPLOAD, problem(422, "image_truncated"))
    done = tagline("submit", str(tmp_path / os.fsdecode(name)), "--tasks", "classify")
    assert done.exit_code == 1
    assert "(image_truncated)" in done.stderr
    done.stderr_bytes.decode()
    assert "\x1b[31m" not in done.stderr


def test_names_given_one_by_one_are_sent_too(api: FlakyApi, tagline: Tagline, tmp_path: Path) -> None:
    _fill(tmp_path, *NAMES)
    api.plan(UPLOAD, take)
    paths = [str(tmp_path / os.fsdecode(name)) for name in NAMES]
    done = tagline("submit", *paths, "http://x.example/caf\udce9 ä.jpg", "s3://b/caf\udce9.jpg", "--tasks", "classify")
    assert done.exit_code == 0, done.output
    inputs = json.loads(api.asked("POST /v1/jobs")[0].body)["inputs"]
    assert inputs[-2:] == [{"url": "http://x.example/caf%E9 ä.jpg"}, {"s3": "s3://b/caf\\xe9.jpg"}]
    assert len(inputs) == len(NAMES) + 2


def test_photos_of_the_server_are_named_by_file_urls(api: FlakyApi, tagline: Tagline) -> None:
    """Fails if they are looked for here, or their URL is taken for the path as it stands."""
    done = tagline("submit", "file:///srv/photos/caf%C3%A9 100%25.jpg", "FILE:///srv/b.jpg", "--tasks", "classify")
    assert done.exit_code == 0, done.output
    inputs = json.loads(api.asked("POST /v1/jobs")[0].body)["inputs"]
    assert inputs == [{"file": "/srv/photos/café 100%.jpg"}, {"file": "/srv/b.jpg"}]


def test_two_long_names_with_one_end_have_two_ids() -> None:
    first, second = (item_id(start + "/x" * 150 + ".jpg") for start in ("one", "two"))
    assert first != second
    assert len(first) == len(second) == 200
    assert first.endswith("/x.jpg")


NAMED = ("locked.jpg", "closed", "closed/a.jpg", "nowhere.jpg", "self.jpg")


def test_what_cannot_be_read_is_named_and_the_rest_goes(
    api: FlakyApi, tagline: Tagline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(tmp_path, "good.jpg", "locked.jpg", "closed/a.jpg")
    for path in [tmp_path, *tmp_path.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    (tmp_path / "locked.jpg").chmod(0)
    (tmp_path / "closed").chmod(0)
    (tmp_path / "nowhere.jpg").symlink_to("gone.jpg")
    (tmp_path / "self.jpg").symlink_to("self.jpg")
    api.plan(UPLOAD, take)
    monkeypatch.chdir(tmp_path)  # for nobody the way there is closed
    with as_nobody():
        done = tagline("submit", ".", "closed/a.jpg", "--tasks", "classify")
    assert done.exit_code == 1, done.output
    assert list(sent(api)) == ["good.jpg"]
    lines = done.stderr.splitlines()
    told = {name: next(line for line in lines if f"{name}:" in line) for name in NAMED}
    for name in ("locked.jpg", "closed", "closed/a.jpg"):
        assert "Permission denied" in told[name]
    assert "link to nothing" in told["nowhere.jpg"]
    assert "symbolic links" in told["self.jpg"]


def test_pipes_sockets_devices_and_links_to_folders_hold_up_nothing(
    api: FlakyApi, tagline: Tagline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(tmp_path, "photos/good.jpg", "elsewhere/other.jpg")
    photos = tmp_path / "photos"
    os.mkfifo(photos / "pipe.jpg")
    (photos / "device.jpg").symlink_to("/dev/zero")
    (photos / "link.jpg").symlink_to("../elsewhere/other.jpg")
    (photos / "circle").symlink_to("..")
    (photos / "folder.jpg").symlink_to("../elsewhere")
    monkeypatch.chdir(photos)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.jpg")
        api.plan(UPLOAD, take)
        done = tagline("submit", str(photos), "--tasks", "classify")
        assert done.exit_code == 0, done.output
        assert list(sent(api)) == ["good.jpg", "link.jpg"]
        assert "pipes, sockets and devices: device.jpg, pipe.jpg, socket.jpg" in done.stderr
        assert "links to folders, which are not followed: circle/, folder.jpg/" in done.stderr
        alone = tagline("submit", "pipe.jpg", "--tasks", "classify")
        assert alone.exit_code == 2
        assert "no photo" in alone.stderr


@pytest.mark.parametrize("what", ["gone", "shorter", "a pipe"])
def test_a_photo_that_changes_under_way_is_named(
    api: FlakyApi, tagline: Tagline, tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the listing and the reading, or in the middle of the reading."""
    _fill(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "b.jpg").write_bytes(PHOTO * 100_000)
    size_of = os.stat

    def look(path: object, **more: object) -> os.stat_result:
        found = size_of(path, **more)  # type: ignore[arg-type, call-overload]
        if str(path).endswith("b.jpg") and sys._getframe(1).f_code.co_name == "_form":
            os.unlink(tmp_path / "b.jpg")
            if what == "shorter":
                (tmp_path / "b.jpg").write_bytes(PHOTO)
            if what == "a pipe":
                os.mkfifo(tmp_path / "b.jpg")
        return found

    monkeypatch.setattr("cli.client.inputs.os.stat", look)
    api.plan(UPLOAD, take)
    done = tagline("submit", str(tmp_path), "--tasks", "classify")
    assert done.exit_code == 1, done.output
    assert list(sent(api)) == ["a.jpg"]
    why = {"gone": "No such file", "shorter": "became shorter", "a pipe": "no file any more"}[what]
    assert "b.jpg: " in done.stderr
    assert why in done.stderr


@pytest.mark.parametrize(
    ("status", "code"), [(422, "image_truncated"), (413, "upload_too_large"), (422, "image_empty")]
)
def test_one_that_is_refused_leaves_the_others(
    api: FlakyApi, tagline: Tagline, tmp_path: Path, status: int, code: str
) -> None:
    _fill(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    (tmp_path / "b.jpg").write_bytes(b"" if code == "image_empty" else PHOTO * 2)

    def judge(handler: Handler) -> None:
        (take if content(handler) == PHOTO else problem(status, code))(handler)

    api.plan(UPLOAD, judge)
    done = tagline("submit", str(tmp_path), "--tasks", "classify")
    assert done.exit_code == 1, done.output
    assert list(sent(api)) == ["a.jpg", "c.jpg"]
    assert f"skipped {tmp_path}/b.jpg: It is so. ({code})" in done.stderr


def test_a_file_that_is_far_too_large_costs_neither_memory_nor_time(
    api: FlakyApi, tagline: Tagline, tmp_path: Path
) -> None:
    with (tmp_path / "huge.tif").open("wb") as file:
        file.truncate(1 << 40)
    api.plan(UPLOAD, refuse_early(413, "upload_too_large", "At most 32 MB."))
    done = tagline("submit", str(tmp_path), "--tasks", "classify")
    assert done.exit_code == 1
    assert "At most 32 MB. (upload_too_large)" in done.stderr
    assert "nothing is left to submit" in done.stderr


def test_uploads_outlive_breaks(api: FlakyApi, tagline: Tagline, tmp_path: Path) -> None:
    _fill(tmp_path, *(f"{number}.jpg" for number in range(9)))
    api.plan(UPLOAD, reset, lose_answer, proxy(503), problem(503, "database_unavailable"), lose_answer, take)
    done = tagline("submit", str(tmp_path), "--tasks", "classify")
    assert done.exit_code == 0, done.output
    assert sent(api) == {f"{number}.jpg": PHOTO.decode("latin-1") for number in range(9)}


def test_a_photo_that_breaks_each_connection_fails_alone(api: FlakyApi, tagline: Tagline, tmp_path: Path) -> None:
    _fill(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "b.jpg").write_bytes(PHOTO * 2)

    def judge(handler: Handler) -> None:
        (take if content(handler) == PHOTO else reset)(handler)

    api.plan(UPLOAD, judge)
    done = tagline("submit", str(tmp_path), "--tasks", "classify")
    assert done.exit_code == 1, done.output
    assert list(sent(api)) == ["a.jpg"]
    assert "b.jpg: the server answers, but not to this photo" in done.stderr


def test_a_server_that_stays_away_ends_all_uploads_and_no_photo_is_blamed(
    api: FlakyApi, tagline: Tagline, tmp_path: Path
) -> None:
    _fill(tmp_path, *(f"{number}.jpg" for number in range(9)))
    api.steps["GET /v1/jobs"] = [reset]
    api.plan(UPLOAD, reset)
    done = tagline("submit", str(tmp_path), "--tasks", "classify", "--patience", "0.3")
    assert done.exit_code == 3, done.output
    assert "skipped" not in done.stderr
    assert not api.asked("POST /v1/jobs")


def test_a_wrong_key_ends_all_uploads_at_once(api: FlakyApi, tagline: Tagline, tmp_path: Path) -> None:
    _fill(tmp_path, *(f"{number}.jpg" for number in range(50)))
    api.plan(UPLOAD, problem(401, "unauthorized"))
    done = tagline("submit", str(tmp_path), "--tasks", "classify")
    assert done.exit_code == 1
    assert "TAGLINE_API_KEY" in done.stderr
    assert "skipped" not in done.stderr
    assert len(api.asked(UPLOAD)) <= 4


@pytest.mark.parametrize("names", [(), ("notes.md", ".hidden.jpg")])
def test_a_folder_without_a_photo_is_told(
    api: FlakyApi, tagline: Tagline, tmp_path: Path, names: tuple[str, ...]
) -> None:
    _fill(tmp_path, *names)
    done = tagline("submit", str(tmp_path), "--tasks", "classify")
    assert done.exit_code == 2
    assert f"error: there is no photo in {tmp_path}" in done.stderr
    assert all(name in done.stderr for name in names)
    assert not api.requests


@pytest.mark.parametrize("given", ["gone.jpg", "x" * 300, "gone\udce9/a.jpg", ""])
def test_what_is_neither_url_nor_file_is_told_before_anything_is_sent(
    api: FlakyApi, tagline: Tagline, tmp_path: Path, given: str
) -> None:
    _fill(tmp_path, "a.jpg")
    done = tagline("submit", str(tmp_path / "a.jpg"), given, "--tasks", "classify")
    assert done.exit_code == 2
    assert "neither a URL nor a file" in done.stderr
    assert not api.requests


def test_the_names_are_those_of_the_formats_that_are_read() -> None:
    """Each suffix is one of a format that the service decodes, and each that it decodes is there."""
    decode._ready()
    decode.Image.init()
    read = {name for name in decode.Image.SAVE if is_read(name)}
    assert {"JPEG", "HEIF", "AVIF", "TIFF"} <= read
    assert set(PHOTOS) == {suffix for suffix, name in decode.Image.EXTENSION.items() if name in read}


def is_read(name: str) -> bool:
    """Whether the service decodes what Pillow writes in a format."""
    written = io.BytesIO()
    try:
        decode.Image.new("RGB", (8, 8)).save(written, name)
    except (OSError, ValueError):
        return False  # a format for something else
    try:
        decode.inspect_image(written.getvalue(), 10_000)
    except ItemError:
        return False
    return True


def test_a_job_id_is_printed_for_what_could_be_sent(api: FlakyApi, tagline: Tagline, tmp_path: Path) -> None:
    _fill(tmp_path, "a.jpg")
    (tmp_path / "b.jpg").symlink_to("gone")
    api.plan(UPLOAD, take)
    done = tagline("submit", str(tmp_path / "a.jpg"), str(tmp_path / "b.jpg"), "--tasks", "classify")
    assert (done.exit_code, done.stdout) == (1, f"{JOB_ID}\n")
